/* A small pool of threads for lq_exec's parallel_for. */
#ifndef POOL_H
#define POOL_H

#include "libquant.h"

/* NULL for one thread; else an exec whose pool has so many, the caller's among them. */
const lq_exec *pool_exec(int threads);

#endif
