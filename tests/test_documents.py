"""What the documents say is so.

    test_documents.py code SOURCE BUILD COMPILER SANITIZERS LIBRARY
    test_documents.py tables SOURCE BUILD

code: every block of C in README.md, src/*.md, examples/*.md and the comments of libquant.h compiles
without a warning; one with a main also runs and returns 0. Others are functions, or the inside of
one; a comment before it, <!-- with: ... -->, declares what it takes from around it. Links lead to
files that are there, and to headings; so do the names of files in src/*.md, and src/adding.md has
every file of src/ itself. Sizes in formats.md and calibration.md are those that the library says.

tables: a command stands before every table of numbers in the README, in its section, and prints these
numbers. $LQ_WEIGHTS names the trained models.

$MESON_EXE_WRAPPER runs what was built for another machine.
"""
import fnmatch
import glob
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile

mode, source, build = sys.argv[1:4]
wrapper = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))
pages = sorted(glob.glob(source + "/*.md") + glob.glob(source + "/src/*.md") + glob.glob(source + "/examples/*.md"))
faults = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def fault(path, line, text):
    faults.append(f"{os.path.relpath(path, source)}:{line}: {text}")


def run(arguments, **more):
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


# ---------------------------------------------------------------------------------------------- code

# What the examples in the header take for granted.
HEADER_GIVEN = """#include <stdlib.h>
extern float *activations, *scales, *weights, *multipliers; extern int8_t *codes;
extern int32_t *accumulators, zero_point; extern int64_t tokens, width, rows, columns;
extern lq_tensor *batch, s, z; extern int batches; extern lq_scheme scheme;
"""


def blocks_of_page(text):
    """(line, what it is given, code) of each block."""
    pattern = r"(?:<!-- with: ((?:(?!-->).)*)-->\s*)?^```c\n(.*?)^```$"
    for found in re.finditer(pattern, text, re.S | re.M):
        yield text[: found.start(2)].count("\n"), found[1] or "", found[2]


def blocks_of_header(text):
    """Lines of a comment that are indented by four more, and are statements."""
    for found in re.finditer(r"^ \*\n((?: \*     \S.*\n)+) (?:\*\n|\*/)", text, re.M):
        code = re.sub(r"^ \*     ", "", found[1], flags=re.M)
        if code.rstrip().endswith(";") and "lq_" in code and " = " in code:
            yield text[: found.start(1)].count("\n"), HEADER_GIVEN, code


def check_code(compiler, sanitizers, library):
    flags = shlex.split("-std=c11 -Wall -Wextra -Wno-unused -Werror") + ["-I" + source + "/include", "-I" + source + "/tests"]
    if sanitizers != "none":
        flags.append("-fsanitize=" + sanitizers)
    count = 0
    with tempfile.TemporaryDirectory() as place:
        for path in pages + [source + "/include/libquant.h"]:
            blocks = blocks_of_header if path.endswith(".h") else blocks_of_page
            for line, given, code in blocks(read(path)):
                count += 1
                program = "int main(" in code
                if not program and not re.search(r"^(static|#include) ?", code, re.M):
                    code = "lq_status fragment(void);\nlq_status fragment(void) {\n" + code + "return LQ_OK;\n}\n"
                with open(place + "/code.c", "w", encoding="utf-8") as file:
                    file.write("" if program else "#include <libquant.h>\n" + given)
                    file.write(f'\n#line {line + 1} "{path}"\n' + code)
                arguments = compiler + flags + [place + "/code.c", "-o", place + "/out"]
                arguments += [library, "-lm"] if program else ["-c"]
                done = run(arguments)
                if done.returncode == 0 and program:
                    done = run(wrapper + [place + "/out"])
                    print(done.stdout, end="")
                if done.returncode != 0:
                    fault(path, line, "this block fails\n" + done.stdout)
    print(count, "blocks of code")
    if count < 15:
        fault(pages[0], 0, "too few blocks of code were found")


def anchors(text):
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def check_links():
    count = 0
    for path in pages:
        text = read(path)
        for found in re.finditer(r"\]\(([^)\s]+)\)", text):
            target, _, anchor = found[1].partition("#")
            if "://" in target:
                continue
            count += 1
            file = os.path.join(os.path.dirname(path), target) if target else path
            if not os.path.exists(file) or (anchor and anchor not in anchors(read(file))):
                fault(path, text[: found.start()].count("\n") + 1, "a link leads nowhere: " + found[1])
    print(count, "links")


def check_files():
    folders = [source + "/" + name for name in ("src", "include", "tests", "bench", "examples")]
    files = [os.path.join(place, name) for folder in folders for place, _, names in os.walk(folder) for name in names]
    files += glob.glob(source + "/*")
    for path in pages:
        text = read(path)
        if os.path.dirname(path) != source + "/src":
            continue
        for found in re.finditer(r"`([\w*./-]+\.(?:c|h|py|sh|txt|inc))`", text):
            if "NAME" not in found[1] and not fnmatch.filter(files, "*" + found[1]):
                fault(path, text[: found.start()].count("\n") + 1, "no such file: " + found[1])
    structure = read(source + "/src/adding.md")
    for file in glob.glob(source + "/src/*.c"):
        if f"`{os.path.basename(file)}`" not in structure:
            fault(source + "/src/adding.md", 1, os.path.basename(file) + " is not here")


# ------------------------------------------------------------------------------------------- figures

# Prints "layout NAME elements bytes" for records, and "memory k sums bytes" for histograms.
FIGURES = """
#include <libquant.h>
#include <stdio.h>
int main(void) {
    for (lq_layout layout = 256; layout < 512; ++layout) {
        lq_layout_info info;
        if (lq_layout_describe(layout, &info, sizeof info) == LQ_OK)
            printf("layout %s %d %d\\n", lq_layout_name(layout) + 5, (int)info.record, (int)info.record_bytes);
    }
    for (int i = 0; i < 20; ++i) {
        lq_calibrator_options options = lq_calibrate_per_tensor();
        size_t size;
        options.mantissa_bits = i / 2 + 1;
        options.bin_sums = i % 2;
        if (lq_calibrator_size(&options, &size) != LQ_OK) return 1;
        printf("memory %d %d %d\\n", i / 2 + 1, i % 2, (int)size);
    }
    return 0;
}
"""


def check_figures(compiler, sanitizers, library):
    """What formats.md and calibration.md say of sizes."""
    with tempfile.TemporaryDirectory() as place:
        with open(place + "/figures.c", "w", encoding="utf-8") as file:
            file.write(FIGURES)
        flags = [] if sanitizers == "none" else ["-fsanitize=" + sanitizers]
        run(compiler + flags + ["-std=c11", "-I" + source + "/include", place + "/figures.c", library, "-lm", "-o", place + "/out"])
        printed = [line.split() for line in run(wrapper + [place + "/out"]).stdout.splitlines()]
    records = {words[1]: (int(words[2]), int(words[3])) for words in printed if words[0] == "layout"}
    memory = {(int(words[1]), int(words[2])): int(words[3]) for words in printed if words[0] == "memory"}

    path = source + "/src/formats.md"
    drawn = set()
    for names, elements, size in re.findall(r"^### ([\w, ]+): (\d+) elements in (\d+) bytes", read(path), re.M):
        for name in names.lower().split(", "):
            drawn.add(name)
            if records.get(name) != (int(elements), int(size)):
                fault(path, 0, f"{name} is not {elements} elements in {size} bytes")
    if drawn != set(records):
        fault(path, 0, "drawn, or in the library, but not both: " + ", ".join(sorted(drawn ^ set(records))))
    for names, bits in re.findall(r"^\| ([A-Z\d_, ]+)(?: of GGUF)? \| ([\d., ]+) \|", read(path), re.M):
        for name, shown in zip(names.lower().split(", "), numbers(bits)):
            if name in records and not same(shown, (records[name][1] * 8 / records[name][0],)):
                fault(path, 0, f"{name} has not {shown[0]} bits per weight")

    path = source + "/src/calibration.md"
    rows = re.findall(r"^\| (\d+) \| .* \| ([\d.,]+) (KiB|MiB) \| ([\d.,]+) (KiB|MiB) \|$", read(path), re.M)
    for k, *sizes in rows:
        for sums in (0, 1):
            unit = 1024.0 if sizes[2 * sums + 1] == "KiB" else 1048576.0
            if not same(numbers(sizes[2 * sums])[0], (memory[int(k), sums] / unit,)):
                fault(path, 0, f"k = {k}: {memory[int(k), sums]} bytes")
    print(len(drawn), "records,", len(rows), "sizes of histograms")
    if len(rows) < 4:
        fault(path, 0, "too few sizes of histograms were found")


# -------------------------------------------------------------------------------------------- tables

def numbers(text):
    return [(float(n.replace(",", "")), len(n.partition(".")[2])) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def is_number(cell):
    return re.fullmatch(r"[\d.]+ ?%?(, [\d.]+)*(; [\d.]+ with .*)?", cell) is not None


def tables_of(text):
    """(line, the command before it, rows of cells) of each table that has cells of numbers alone."""
    command, rows, start = None, [], 0
    for line, content in enumerate(text.split("\n") + [""], 1):
        if content.startswith("|"):
            start = start if rows else line
            rows.append([cell.strip() for cell in content.strip("|").split("|")])
            continue
        if rows and any(is_number(cell) for row in rows[2:] for cell in row[1:]):
            yield start, command, rows[2:]
        rows = []
        if content.startswith("#"):
            command = None
        for found in re.findall(r"`((?:build/|lquant ).*?)`|^    ((?:build/|lquant |for ).*)$", content):
            command = found[0] or found[1]


def same(shown, printed):
    """A number as it is shown is what was printed, rounded."""
    (value, places), exact = shown, printed[0]
    return abs(value - exact) <= 0.5001 * 10.0**-places


def check_digits(path, line, rows):
    global digits_output
    if digits_output is None:
        with tempfile.TemporaryDirectory() as place:
            digits_output = run(wrapper + [build + "/examples/digits/digits", "--out", place + "/d.safetensors"]).stdout
    for i, (label, *cells) in enumerate(rows):
        shown = [numbers(cell)[0] for cell in cells]
        lines = [l[len(label):] for l in digits_output.split("\n") if l.startswith(label + " ")]
        if not any(len(numbers(l)) == len(shown) and all(map(same, shown, numbers(l))) for l in lines):
            fault(path, line + 2 + i, f"digits does not print the row of {label}")


def write_model(path, tensors):
    """A safetensors file of (name, shape, bytes of float32)."""
    header, at = {}, 0
    for name, shape, data in tensors:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors))


def read_model(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, entry["shape"], data[8 + size + begin : 8 + size + end]


def quantized(model, options, suffix):
    """The totals of lquant quantize."""
    with tempfile.TemporaryDirectory() as place:
        done = run(wrapper + [build + "/examples/lquant/lquant", "quantize", model, place + "/out." + suffix,
                              "--report", place + "/report.json", "--format"] + options.split())
        if done.returncode != 0:
            faults.append(done.stdout)
            return {"bits_per_weight": -1, "sqnr_db": -1}
        return json.loads(read(place + "/report.json"))["total"]


def check_bits(path, line, rows, suffix):
    """Of a matrix of 1024 x 1024: so many bits, as formats in backquotes have them in turn."""
    with tempfile.TemporaryDirectory() as place:
        values = [((i * 2654435761 >> 7) % 4001 - 2000) / 1000 for i in range(1 << 20)]
        write_model(place + "/m.safetensors", [("w", [1024, 1024], struct.pack("<%df" % len(values), *values))])
        for i, (formats, bits, *_) in enumerate(rows):
            names = re.findall(r"`(.*?)`", formats)
            plain, _, other = bits.partition("; ")
            asked = list(zip(names, numbers(plain)))
            if other:
                asked.append((names[0] + " " + re.search(r"`(.*?)`", other)[1], numbers(other)[0]))
            for name, shown in asked:
                printed = quantized(place + "/m.safetensors", name, suffix)["bits_per_weight"]
                if not same(shown, (printed,)):
                    fault(path, line + 2 + i, f"{name}: {printed} bits per weight")


def check_quality(path, line, rows, models):
    for i, row in enumerate(rows):
        for cells, suffix in ((row[:3], "gguf"), (row[4:], "safetensors")):
            name = cells[0].strip("`")
            for shown, model in zip(cells[1:], models):
                printed = quantized(model, name, suffix)["sqnr_db"]
                if not same(numbers(shown)[0], (printed,)):
                    fault(path, line + 2 + i, f"{name}: {printed:.4f} dB of {model}")


def check_regrouped(path, text, model):
    """The prose behind that table: the same values in rows of 256."""
    said = re.search(r"in rows of\s+256: (.*?)\.\n", text, re.S)
    with tempfile.TemporaryDirectory() as place:
        data = b"".join(data for _, shape, data in read_model(model) if len(shape) > 1)
        count = len(data) // 1024
        write_model(place + "/m.safetensors", [("w", [count, 256], data[: count * 1024])])
        for name, shown in re.findall(r"`(.*?)`\s+([\d.]+)", said[1]):
            printed = quantized(place + "/m.safetensors", name, "gguf")["sqnr_db"]
            if not same(numbers(shown)[0], (printed,)):
                fault(path, text[: said.start()].count("\n") + 1, f"{name}: {printed:.4f} dB")


def check_benches(path, text):
    """Each bench that is named is there, and has the options and rows that tables have."""
    for name in sorted(set(re.findall(r"\b(?:bench_\w+|count_instructions)\b", text))):
        program = build + "/bench/" + name
        if not os.path.exists(program):
            print("not built here:", name)
            continue
        listed = run(wrapper + [program, "--list"]).stdout.split() if name != "count_instructions" else []
        if name == "bench_quantize":
            known = run(wrapper + [program, "--help"]).stdout
            for option in set(re.findall(r"`(--[a-z]+) [A-Z]+`", text.partition("## Benchmarks")[2])):
                if option not in known:
                    fault(path, 0, f"{name} has no {option}")
        if name == "bench_peers":
            rows = {row.rsplit("/", 1)[0] for row in listed}
            for row in sorted(set(re.findall(r"^    (\w+/[\w/-]+) ", text, re.M)) - rows):
                print("no such row here, maybe for want of a peer:", row)
        if name != "count_instructions" and not listed:
            fault(path, 0, name + " --list prints nothing")


def check_tables():
    path = source + "/README.md"
    text = read(path)
    weights = os.environ.get("LQ_WEIGHTS")
    models = [f"{weights}/{name}.safetensors" for name in ("stories260k", "silero_vad_16k")] if weights else []
    count = 0
    for line, command, rows in tables_of(text):
        count += 1
        if command is None:
            fault(path, line, "no command stands before this table")
        elif command.endswith("digits/digits"):
            check_digits(path, line, rows)
        elif "grep total" in command and not models:
            print("no trained weights here: the table at line", line, "was not compared")
        elif "grep total" in command:
            check_quality(path, line, rows, models)
            check_regrouped(path, text, models[0])
        elif command.startswith("lquant quantize") and "--format" in command:
            check_bits(path, line, rows, command.split()[3].rpartition(".")[2])
        else:
            fault(path, line, "nobody knows how to compare this table with: " + command)
    check_benches(path, text)
    print(count, "tables of numbers")
    if count < 5:
        fault(path, 0, "too few tables of numbers were found")


digits_output = None
if mode == "code":
    compiled = shlex.split(sys.argv[4]), sys.argv[5], os.path.join(build, sys.argv[6])
    check_code(*compiled)
    check_figures(*compiled)
    check_links()
    check_files()
else:
    check_tables()
print("\n".join(faults))
sys.exit(1 if faults else 0)
