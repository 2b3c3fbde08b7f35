/*
 * Who else does a job that libquant does. A peer is a `peer` in a file of its own beside this one and
 * an entry in bench_peers.c's list.
 */
#ifndef PEER_H
#define PEER_H

#include "libquant.h"

typedef enum {
    PEER_QUANTIZE,
    PEER_DEQUANTIZE,
    PEER_FAKE,    /* both in one, no codes written */
    PEER_RANGE,   /* least and greatest value */
    PEER_CONVERT, /* between real types */
    PEER_REQUANTIZE,
    PEER_ENCODE, /* to records of blocks */
    PEER_DECODE
} peer_operation;

/* From one contiguous piece of memory to another; `rows` rows, each with a scale of its own. */
typedef struct peer_job {
    peer_operation operation;
    lq_type from, to; /* of fake-quantization `to` is that of the codes between */
    lq_layout layout; /* of records */
    int64_t elements, rows;
    const float *scale; /* of requantization the multiplier */
    int32_t zero_point;
    const void *in;
    void *out; /* of a range two floats */
    int threads;
} peer_job;

/* libquant's rule that gives the same bytes where no value is NaN or infinite: its own, a profile's. */
typedef enum { PEER_RULE_OWN, PEER_RULE_XNNPACK, PEER_RULE_INSIDE, PEER_RULES } peer_rule;
enum { PEER_RULE_OTHER = PEER_RULES }; /* none of them */

typedef struct peer {
    const char *name;
    /* Ready to run the job as often as wanted, or NULL where there is no such thing. */
    void *(*make)(const peer_job *job);
    void (*run)(void *made);
    void (*end)(void *made);
    int (*rule)(peer_operation operation);
    const char *(*words)(peer_operation operation); /* the rule in words */
} peer;

extern const peer peer_user, peer_roundf;

/* The loops of peer_user, written and compiled for this level alone. */
const peer *user_tuned_peer(lq_cpu level);
#ifdef HAVE_XNNPACK
extern const peer peer_xnnpack;
#endif
#ifdef HAVE_ONEDNN
extern const peer peer_onednn;
#endif

#endif
