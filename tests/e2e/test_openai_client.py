"""The unmodified openai package against `cairn serve`: answers, streams, and each class of error."""

import math
import urllib.request

import pytest
from server_tools import own_server, post_json

openai = pytest.importorskip("openai")

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client(cairn_url):
    return openai.OpenAI(base_url=cairn_url + "/v1", api_key="none", max_retries=0, timeout=120)


@pytest.fixture(scope="module")
def model(client):
    return client.models.list().data[0].id


def chat(client, model, messages=QUESTION, **options):
    options = {"max_tokens": 16, "temperature": 0, **options}
    return client.chat.completions.create(model=model, messages=messages, **options)


def complete(client, model, prompt="The quick brown fox", **options):
    options = {"max_tokens": 8, "temperature": 0, **options}
    return client.completions.create(model=model, prompt=prompt, **options)


def streamed_text(stream):
    pieces, finish = [], None
    for chunk in stream:
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
    return "".join(pieces), finish


# ---- models and the server's own routes


def test_models_are_listed_and_found(client, model):
    found = client.models.retrieve(model)
    assert found.id == model
    assert found.object == "model"
    assert found.max_model_len > 0


def test_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    assert caught.value.status_code == 404


@pytest.mark.parametrize("path", ["/health", "/ping", "/version", "/metrics", "/"])
def test_status_routes_answer(cairn_url, path):
    with urllib.request.urlopen(cairn_url + path, timeout=10) as reply:
        assert reply.status == 200


# ---- chat


def test_chat_answers_the_question(client, model):
    answer = chat(client, model, max_tokens=32)
    choice = answer.choices[0]
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert "Paris" in choice.message.content
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    usage = answer.usage
    assert usage.prompt_tokens > 5
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens >= 0


def test_stream_gives_the_same_text_and_a_usage(client, model):
    whole = chat(client, model)
    stream = list(chat(client, model, stream=True, stream_options={"include_usage": True}))
    text, finish = streamed_text(stream)
    assert text == whole.choices[0].message.content
    assert finish == whole.choices[0].finish_reason
    assert stream[0].choices[0].delta.role == "assistant"
    assert stream[-1].choices == []
    assert stream[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert all(chunk.usage is None for chunk in stream[:-1])
    assert len({chunk.id for chunk in stream}) == 1


def test_continuous_usage_grows(client, model):
    options = {"include_usage": True, "continuous_usage_stats": True}
    counts = [c.usage.completion_tokens for c in chat(client, model, stream=True, stream_options=options) if c.choices]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_content_parts_are_joined(client, model):
    parts = [{"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"]}]}]
    assert chat(client, model, parts).choices[0].message.content == chat(client, model).choices[0].message.content


def test_whole_conversation_is_in_the_prompt(cairn_url, client, model):
    messages = [
        {"role": "system", "content": "You answer in one word."},
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "What is my name?"},
    ]
    tokens = post_json(cairn_url, "/tokenize", {"messages": messages})["tokens"]
    prompt = post_json(cairn_url, "/detokenize", {"tokens": tokens})["prompt"]
    places = [prompt.index(message["content"]) for message in messages]
    assert places == sorted(places)
    assert chat(client, model, messages, max_tokens=1).usage.prompt_tokens == len(tokens)


def test_logprobs_of_chat(client, model):
    answer = chat(client, model, max_tokens=5, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for entry in content:
        assert entry.logprob <= 0
        assert bytes(entry.bytes).decode(errors="replace") == entry.token
        assert len(entry.top_logprobs) == 3
        best = [top.logprob for top in entry.top_logprobs]
        assert best == sorted(best, reverse=True)
        assert math.isclose(best[0], entry.logprob, abs_tol=1e-5), "greedy takes the likeliest"


def test_streamed_logprobs_equal_the_whole(client, model):
    whole = chat(client, model, max_tokens=6, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    stream = chat(client, model, max_tokens=6, logprobs=True, top_logprobs=2, stream=True)
    pieces = [e for c in stream for ch in c.choices if ch.logprobs for e in ch.logprobs.content]
    assert [e.token for e in pieces] == [e.token for e in whole]
    assert [e.logprob for e in pieces] == pytest.approx([e.logprob for e in whole], abs=1e-4)


def test_n_choices_differ_and_a_seed_repeats_them(client, model):
    first = chat(client, model, n=4, temperature=1.5, seed=11)
    assert [choice.index for choice in first.choices] == [0, 1, 2, 3]
    texts = [choice.message.content for choice in first.choices]
    assert len(set(texts)) > 1
    again = chat(client, model, n=4, temperature=1.5, seed=11)
    assert [choice.message.content for choice in again.choices] == texts


def test_n_choices_stream_side_by_side(client, model):
    texts = {}
    for chunk in chat(client, model, n=3, temperature=1.0, seed=5, stream=True):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    whole = chat(client, model, n=3, temperature=1.0, seed=5)
    assert [texts[i] for i in range(3)] == [choice.message.content for choice in whole.choices]


def test_stop_string_is_cut(client, model):
    full = chat(client, model, max_tokens=32).choices[0].message.content
    stop = full[4:9]
    answer = chat(client, model, max_tokens=32, stop=stop).choices[0]
    assert answer.message.content == full[: full.index(stop)]
    assert answer.finish_reason == "stop"
    assert answer.stop_reason == stop
    text, finish = streamed_text(chat(client, model, max_tokens=32, stop=[stop, "zzz"], stream=True))
    assert (text, finish) == (answer.message.content, "stop")


def test_length_limit_is_told(client, model):
    answer = chat(client, model, max_completion_tokens=3, extra_body={"ignore_eos": True})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


def test_logit_bias_forces_a_token(cairn_url, client, model):
    token = post_json(cairn_url, "/tokenize", {"prompt": " stone"})["tokens"][-1]
    answer = chat(client, model, max_tokens=3, logit_bias={str(token): 100})
    assert answer.choices[0].message.content == " stone stone stone"


def test_tools_are_accepted_and_may_be_off(client, model):
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    for choice in ("auto", "none"):
        assert chat(client, model, tools=tools, tool_choice=choice).choices[0].message.role == "assistant"


def test_final_message_is_continued(client, model):
    messages = QUESTION + [{"role": "assistant", "content": "The capital of France is"}]
    extra = {"add_generation_prompt": False, "continue_final_message": True}
    assert chat(client, model, messages, max_tokens=4, extra_body=extra).choices[0].message.content.strip().startswith("Paris")


def test_equal_prompts_share_the_cache(client, model):
    messages = [{"role": "user", "content": "Stones upon stones. " * 40}]
    chat(client, model, messages, max_tokens=1)
    usage = chat(client, model, messages, max_tokens=1).usage
    assert usage.prompt_tokens_details.cached_tokens > usage.prompt_tokens // 2
    salted = chat(client, model, messages, max_tokens=1, extra_body={"cache_salt": "another tenant"}).usage
    assert salted.prompt_tokens_details.cached_tokens == 0


# ---- completions


def test_completion_continues_the_prompt(client, model):
    answer = complete(client, model, "The capital of France is")
    assert answer.object == "text_completion"
    assert answer.choices[0].text
    assert answer.usage.completion_tokens == 8


def test_prompts_in_every_form_give_the_same_answer(cairn_url, client, model):
    ids = post_json(cairn_url, "/tokenize", {"prompt": "The quick brown fox"})["tokens"]
    text = complete(client, model).choices[0].text
    assert complete(client, model, ids).choices[0].text == text
    several = complete(client, model, ["The quick brown fox", "Once upon a time"])
    assert [choice.index for choice in several.choices] == [0, 1]
    assert several.choices[0].text == text
    assert complete(client, model, [ids, ids]).choices[1].text == text


def test_completion_stream_is_the_whole(client, model):
    whole = complete(client, model, max_tokens=12).choices[0].text
    assert "".join(c.choices[0].text for c in complete(client, model, max_tokens=12, stream=True)) == whole


def test_echo_with_logprobs_covers_the_prompt(client, model):
    answer = complete(client, model, echo=True, logprobs=1, max_tokens=2).choices[0]
    assert answer.text.startswith("The quick brown fox")
    logprobs = answer.logprobs
    assert logprobs.token_logprobs[0] is None
    assert all(value <= 0 for value in logprobs.token_logprobs[1:])
    assert "".join(logprobs.tokens).startswith(answer.text)
    assert logprobs.text_offset[0] == 0
    assert logprobs.text_offset[1] == len(logprobs.tokens[0])


def test_echo_alone_scores_a_text(client, model):
    answer = complete(client, model, "Paris is the capital of France.", echo=True, logprobs=0, max_tokens=0)
    assert answer.choices[0].text == "Paris is the capital of France."
    assert answer.usage.completion_tokens == 0


def test_prompt_logprobs_have_ranks(client, model):
    answer = complete(client, model, extra_body={"prompt_logprobs": 2}).choices[0]
    assert answer.prompt_logprobs[0] is None
    assert all(entry["rank"] >= 1 for entry in answer.prompt_logprobs[1].values())


def test_tokenize_and_detokenize_are_inverse(cairn_url):
    text = "Zürich, 你好, and a \U0001faa8."
    tokens = post_json(cairn_url, "/tokenize", {"prompt": text, "return_token_strs": True})
    assert tokens["count"] == len(tokens["tokens"]) == len(tokens["token_strs"])
    assert post_json(cairn_url, "/detokenize", {"tokens": tokens["tokens"]})["prompt"] == text


def test_text_beyond_ascii_streams_whole(client, model):
    messages = [{"role": "user", "content": "Repeat exactly: 你好 🪨 é"}]
    text, _ = streamed_text(chat(client, model, messages, max_tokens=24, stream=True))
    assert text == chat(client, model, messages, max_tokens=24).choices[0].message.content


# ---- errors


BAD_VALUES = [
    ({"temperature": -1}, "temperature must be non-negative, got -1.0."),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 0}, "top_p must be in (0, 1], got 0.0."),
    ({"max_tokens": 0}, "max_tokens must be at least 1, got 0."),
    ({"n": 0}, "n must be at least 1, got 0."),
    ({"presence_penalty": 3}, "presence_penalty must be in [-2, 2], got 3.0."),
    ({"stop": 5}, "stop"),
    ({"logit_bias": {"x": 1}}, "logit_bias"),
    ({"top_logprobs": 2}, "logprobs"),
    ({"logprobs": True, "top_logprobs": 1000}, "1000"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"stream_options": {"include_usage": True}}, "stream"),
    ({"seed": 1.5}, "seed"),
    ({"stop_token_ids": [10**8]}, "stop_token_ids"),
    ({"chat_template": "{{ messages }}"}, "template"),
]


@pytest.mark.parametrize("extra, words", BAD_VALUES, ids=[next(iter(extra)) + str(i) for i, (extra, _) in enumerate(BAD_VALUES)])
def test_bad_value_is_named(client, model, extra, words):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=QUESTION, extra_body=extra)
    assert words in caught.value.body["message"]
    assert caught.value.body["type"] == "BadRequestError"
    assert caught.value.body["code"] == 400


@pytest.mark.parametrize("messages", [[], [{"role": "user"}], [{"content": "x"}], ["x"],
                                      [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]])
def test_bad_messages_are_refused(client, model, messages):
    with pytest.raises(openai.BadRequestError):
        chat(client, model, messages)


def test_prompt_too_long_names_both_lengths(client, model):
    limit = client.models.retrieve(model).max_model_len
    with pytest.raises(openai.BadRequestError) as caught:
        complete(client, model, [1] * (limit + 7))
    assert str(limit) in caught.value.body["message"]
    assert str(limit + 7) in caught.value.body["message"]


def test_too_many_tokens_asked_for_is_refused(client, model):
    limit = client.models.retrieve(model).max_model_len
    with pytest.raises(openai.BadRequestError, match="is too large"):
        chat(client, model, max_tokens=limit)


def test_completions_refuse_what_they_lack(client, model):
    for extra in ({"suffix": "x"}, {"best_of": 3}):
        with pytest.raises(openai.BadRequestError):
            complete(client, model, **extra)


def test_wrong_model_and_unknown_route(client, cairn_url):
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        chat(client, "no-such-model")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="x", input="y")


def test_client_timeout_leaves_the_server_well(client, model):
    with pytest.raises(openai.APITimeoutError):
        chat(client.with_options(timeout=0.2), model, max_tokens=2000, extra_body={"ignore_eos": True})
    assert chat(client, model, max_tokens=2).choices[0].message.content


def test_api_key_is_required_where_set():
    with own_server("--api-key", "sesame", "--api-key", "other") as (url, _):
        def client(key):
            return openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=60)

        for key in ("wrong", "sesam", "sesamee", "sesamesesame"):
            with pytest.raises(openai.AuthenticationError) as caught:
                client(key).models.list()
            assert caught.value.response.json() == {"error": "Unauthorized"}
        for key in ("sesame", "other"):
            assert client(key).models.list().data
        with urllib.request.urlopen(url + "/health", timeout=10) as reply:
            assert reply.status == 200
