"""What there is to compare: the names of rows, the models, and the work that a row has to do."""
import dataclasses
import os
import pathlib
import re

from comparison.tools import CACHE, ROOT, run, say, stop

MODEL_DIR = pathlib.Path(os.environ.get("CAIRN_MODEL_DIR", CACHE / "models"))
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
RANDOM_FORMATS = ("bf16", "q8_0", "q4_0", "q4_k_m")
GEOMETRY = {  # layers, hidden, intermediate, query heads, KV heads, head_dim, vocabulary
    "smollm2-135m": (30, 576, 1536, 9, 3, 64, 49152),
    "qwen3-0.6b": (28, 1024, 3072, 16, 8, 128, 151936),
    "qwen3-1.7b": (28, 2048, 6144, 16, 8, 128, 151936),
}
CONTEXT, ANSWER = 128, 64  # tokens of prompt and answer in decode and serve rows

KINDS = {"decode": "b", "prefill": "n", "serve": "u", "load": "", "perplexity": ""}
PATTERN = re.compile(r"(?P<kind>\w+)\.(?P<model>[^.]+(?:\.\d\w*)?)\.(?P<form>\w+)(?:\.(?P<letter>[bnu])(?P<size>[1-9]\d{0,5}))?")
SMALL = [("smollm2-135m", "q4_1")] + [("qwen3-0.6b", form) for form in ("q8_0", "q4_0", "q4_k_m", "bf16")]
LARGE = [("qwen3-1.7b", form) for form in ("q8_0", "q4_0", "q4_k_m", "bf16")]
LISTED = [("decode", SMALL, [1, 16]), ("decode", LARGE, [1]), ("prefill", SMALL, [512, 2048]), ("serve", SMALL, [8, 16, 32]),
          ("load", SMALL + LARGE[-1:], [None]), ("perplexity", SMALL[:1], [None])]


@dataclasses.dataclass(frozen=True)
class Row:
    kind: str
    model: str
    form: str
    size: int | None  # sequences, tokens or users

    @property
    def id(self):
        end = f".{KINDS[self.kind]}{self.size}" if self.size else ""
        return f"{self.kind}.{self.model}.{self.form}{end}"

    @property
    def unit(self):
        return {"load": "s", "perplexity": "perplexity"}.get(self.kind, "tokens/s")

    @property
    def least_is_best(self):
        return self.kind in ("load", "perplexity")

    @property
    def limit(self):
        """The measured limit that the value is a fraction of, as `cairn bench limits` names it, or None."""
        if self.kind == "decode" and self.size == 1:
            return "memory read"
        if self.kind == "prefill":
            return "bf16 peak" if self.form == "bf16" else "int8 peak"
        return None

    def work(self, value, weight_bytes):
        """Bytes or operations a second (in 1e9) at `value` tokens/s: weights read once a token, or a prompt's useful products."""
        if self.kind == "decode":
            return value * weight_bytes / 1e9
        layers, hidden, inner, heads, kv_heads, head_dim, vocabulary = GEOMETRY[self.model]
        matrices = layers * hidden * (head_dim * (2 * heads + 2 * kv_heads) + 3 * inner) + hidden * vocabulary / self.size
        attention = layers * 2 * heads * head_dim * (self.size + 1) / 2  # scores and values, half of the square
        return value * 2 * (matrices + attention) / 1e9


def listed_rows():
    return [Row(kind, model, form, size) for kind, models, sizes in LISTED for model, form in models for size in sizes]


def parse_row(name):
    match = PATTERN.fullmatch(name)
    if not match or match["kind"] not in KINDS or KINDS[match["kind"]] != (match["letter"] or ""):
        return None
    return Row(match["kind"], match["model"], match["form"], int(match["size"]) if match["size"] else None)


def chosen_rows(names):
    rows = []
    for name in names:
        found = [row for row in listed_rows() if name == "all" or row.id == name or row.id.startswith(name + ".")]
        if not found and parse_row(name):
            found = [parse_row(name)]
        if not found:
            stop(f"'{name}' names no row; the listed ones begin with {', '.join(KINDS)} or are 'all' (--list, --help)")
        rows += [row for row in found if row not in rows]
    return rows


def model_path(row, python, folder=False):
    """The row's model: a GGUF file, or with `folder` a Hugging Face folder (random weights in bf16); made or fetched when missing."""
    if (row.model, row.form) == ("smollm2-135m", "q4_1") and not folder:
        path = MODEL_DIR / SMOLLM2
        if not path.exists():
            say(f"fetching {SMOLLM2}")
            run(["bash", "-c", "source tools/common.sh && default_model"], cwd=ROOT)
        return path
    if row.model not in GEOMETRY or row.model == "smollm2-135m" or row.form not in RANDOM_FORMATS:
        stop(f"no model {row.model} in {row.form}: there are smollm2-135m in q4_1 and the others of {', '.join(GEOMETRY)} in "
             f"{', '.join(RANDOM_FORMATS)}")
    path = MODEL_DIR / f"{row.model}-random-{row.form}{'' if folder else '.gguf'}"
    if not path.exists():
        say(f"making {path.name}")
        run([python, ROOT / "tools/make_random_model.py", "--shape", row.model, "--format", row.form, "--out", path])
    return path
