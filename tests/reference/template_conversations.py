"""Seeded conversations that exercise what chat templates branch on, and jinja2 set up as transformers sets it up."""

import json
import random
from datetime import datetime

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

WORDS = (
    "stone water light river seven fox carry under amber north window paper quiet engine garden copper "
    "straße naïve Ελλάδα привет 日本語 你好 😀 क्या مرحبا e\u0301 <b> & \"quoted\" it's {brace} {{double}} \\slash"
).split()

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather at a place. Says \"sunny\" <often>.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name, e.g. Zürich"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                    "days": {"type": "integer", "minimum": 1, "maximum": 18446744073709551615},
                },
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds numbers",
            "parameters": {
                "type": "object",
                "properties": {
                    "terms": {"type": "array", "items": {"type": ["number", "string"]}},
                    "scale": {"type": "number", "default": 1.5},
                    "exact": {"type": "boolean", "default": True},
                    "note": {"type": "object", "properties": {}},
                },
                "required": [],
            },
            "return": {"type": "number", "description": "The sum"},
        },
    },
]


class Conversation:
    """One conversation's variables, drawn from `seed`."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seed = seed
        self.as_parts = seed % 8 == 7
        self.with_tools = seed % 5 in (2, 3)
        self.calls = 0

    def text(self):
        if self.random.random() < 0.08:
            return ""
        lines = []
        for _ in range(self.random.choice((1, 1, 2, 3))):
            lines.append(" ".join(self.random.choice(WORDS) for _ in range(self.random.randint(1, 9))))
        text = self.random.choice(("\n", "\n\n", " \n")).join(lines)
        return self.random.choice(("", "", " ", "\n")) + text + self.random.choice(("", "", " ", "\n"))

    def content(self):
        if not self.as_parts:
            return self.text()
        return [{"type": "text", "text": self.text()} for _ in range(self.random.randint(1, 2))]

    def assistant(self):
        message = {"role": "assistant", "content": self.content()}
        style = self.random.random()
        if style < 0.2:
            message["reasoning_content"] = self.text()
        elif style < 0.4 and not self.as_parts:
            message["content"] = f"<think>\n{self.text()}\n</think>\n\n{message['content']}"
        return message

    def tool_round(self):
        """An assistant message that calls one or two tools, and their results."""
        calls, results = [], []
        for _ in range(self.random.choice((1, 1, 2))):
            self.calls += 1
            name, arguments = self.random.choice(
                (
                    ("get_weather", {"city": self.random.choice(WORDS), "days": 3}),
                    ("add", {"terms": [1, -2.5, 1e20], "exact": False, "note": {"a": None, "ü": []}}),
                )
            )
            if self.seed % 2:
                arguments = json.dumps(arguments, ensure_ascii=False)
            call_id = f"call{self.calls:05d}"
            calls.append({"type": "function", "id": call_id, "function": {"name": name, "arguments": arguments}})
            result = self.random.choice(('{"temp": 21.5, "sky": "clear"}', "17", "Fehler: «nichts»\n"))
            results.append({"role": "tool", "name": name, "tool_call_id": call_id, "content": result})
        message = {"role": "assistant", "tool_calls": calls}
        message["content"] = self.random.choice((None, "", self.text()))
        if self.random.random() < 0.5:
            message["reasoning_content"] = self.text()
        return [message, *results]

    def messages(self):
        messages = []
        if self.random.random() < 0.6:
            messages.append({"role": "system", "content": self.content()})
        for turn in range(self.random.randint(1, 4)):
            if turn:
                messages.append(self.assistant())
            messages.append({"role": "user", "content": self.content()})
            if self.with_tools and self.random.random() < 0.7:
                for _ in range(self.random.choice((1, 1, 2))):
                    messages += self.tool_round()
                if self.random.random() < 0.5:
                    messages.append(self.assistant())
                    messages.append({"role": "user", "content": self.content()})
        if self.seed % 6 == 5:
            messages.append(self.assistant())
        return messages

    def variables(self):
        variables = {
            "messages": self.messages(),
            "tools": TOOLS[: self.random.randint(1, 2)] if self.with_tools else None,
            "documents": None,
            "add_generation_prompt": self.seed % 6 != 5,
            "bos_token": "<s>",
            "eos_token": "</s>",
        }
        if self.seed % 3:
            variables["enable_thinking"] = self.seed % 3 == 1
        if self.seed % 7 == 6:
            variables["date_string"] = "25 Nov 2026"
        return variables


def conversations(count=25):
    return [Conversation(seed).variables() for seed in range(count)]


def _generation(parser):
    line = next(parser.stream).lineno
    body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
    return jinja2.nodes.Scope(body).set_lineno(line)


class GenerationTag(jinja2.ext.Extension):
    """{% generation %} marks the assistant's words for training; in a prompt it prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        return _generation(parser)


def environment():
    """jinja2 with the settings and functions that transformers gives chat templates."""
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, jinja2.ext.loopcontrols]
    )

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return env


def render(env, source, variables):
    """What jinja2 makes of the template: {"text": …} or, when it fails, {"error": …}."""
    try:
        return {"text": env.from_string(source).render(**json.loads(json.dumps(variables)))}
    except Exception as error:  # templates fail in every way that Python can
        return {"error": f"{type(error).__name__}: {error}"}
