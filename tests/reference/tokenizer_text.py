"""Seeded random text that is hard on tokenizers, and the reference SmolLM2 tokenizer built from its GGUF."""
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

RANGES = [  # first, last, weight: scripts and symbols
    (0x20, 0x7E, 30), (0xA0, 0x24F, 6), (0x300, 0x36F, 4), (0x370, 0x3FF, 3), (0x400, 0x52F, 4), (0x5D0, 0x5EA, 2),
    (0x600, 0x6FF, 4), (0x900, 0x97F, 3), (0xE00, 0xE5B, 2), (0x1100, 0x11FF, 2), (0x1E00, 0x1FFF, 2), (0x2000, 0x206F, 3),
    (0x2070, 0x218B, 2), (0x2190, 0x27BF, 3), (0x3000, 0x30FF, 4), (0x4E00, 0x9FFF, 6), (0xAC00, 0xD7A3, 3),
    (0xF900, 0xFAFF, 1), (0xFE00, 0xFE0F, 1), (0xFF00, 0xFFEF, 1), (0x1D400, 0x1D7FF, 1), (0x1F300, 0x1FAFF, 5),
    (0x20000, 0x2FA1D, 1), (0x30000, 0x323AF, 1), (0x10000, 0x1FFFF, 1), (0x0, 0xD7FF, 2), (0xE000, 0x10FFFF, 1)]
SPACES = [" ", "  ", "   ", " " * 17, "\n", "\n\n", "\r\n", "\t", "\t\t", " \n ", "\u00a0", "\u3000", "\u2028", "\x0b", "\x85",
          "\u180e", "\u200b", "\ufeff"]
PIECES = ["'s", "'T", "'re", "'VE", "'m", "'ll", "'D", "'\u017f", "don't", "I'LL", "\u2019s", "123", "4567890", "3.14", "1,000",
          "\u0661\u0662\u0663", "\u00bd", "\u2167", "e\u0301", "\u1100\u1161\u11a8", "\u0915\u094d\u0937\u093f", "\U0001F468\u200d\U0001F469\u200d\U0001F467",
          "\U0001F1EB\U0001F1F7", "\U0001F44D\U0001F3FD", "A\u030a", "\u212b", "\ufb01", "o\u0308\u0304", "\u0344", "for (int i = 0; i < n; ++i) {",
          "def f(x):\n    return x", "https://example.org/a?b=c&d=%20", "</div>", "_snake_case", "CamelCase", "....", "!!!", "\\n", "\"\"", "--", "==="]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|", "|im_end|>", "<think>", "</think>", "<tool_call>", "<repo_name>",
           "<file_sep>", "<jupyter_code>", "<|fim_prefix|>", "<\uff5cUser\uff5c>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<", "|>"]
WORDS = ("the quick brown fox jumps over lazy dog tokenization internationalisation antidisestablishmentarianism "
         "\u0441\u043b\u043e\u0432\u043e \u03bb\u03cc\u03b3\u03bf\u03c2 \u4f60\u597d\u4e16\u754c \u3053\u3093\u306b\u3061\u306f \uc548\ub155\ud558\uc138\uc694 \u0645\u0631\u062d\u0628\u0627 stra\u00dfe na\u00efve \u0928\u092e\u0938\u094d\u0924\u0947 aaaaaaaaaaaaaaaa").split()


def random_character(rng, ranges):
    first, last, _ = rng.choices(ranges, weights=[entry[2] for entry in ranges])[0]
    code = rng.randint(first, last)
    return "" if 0xD800 <= code <= 0xDFFF else chr(code)


def random_string(rng):
    # A string leans on a few ranges, as text does, or mixes them all.
    ranges = RANGES if rng.random() < 0.3 else rng.sample(RANGES, rng.randint(1, 4))
    out = []
    for _ in range(rng.randint(0, 24)):
        kind = rng.random()
        if kind < 0.35:
            out.append("".join(random_character(rng, ranges) for _ in range(rng.randint(1, 8))))
        elif kind < 0.55:
            out.append(rng.choice(SPACES))
        elif kind < 0.75:
            out.append(rng.choice(WORDS))
        elif kind < 0.93:
            out.append(rng.choice(PIECES))
        else:
            out.append(rng.choice(SPECIAL))
    return "".join(out)


def random_strings(count, seed):
    rng = random.Random(seed)
    return [random_string(rng) for _ in range(count)]


def smollm2_from_gguf(path):
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    tokens, types, merges = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)},
                                     merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token, kind in zip(tokens, types) if kind == 3])
    return tokenizer
