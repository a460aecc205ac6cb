"""The service: right answers, and one line for whatever else is sent."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given, HealthCheck, settings, strategies as st
from tables import fitted, frame, noisy, shops

import learnset as ls
from learnset.fitting import JsonRows, service, Store

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
ROW = {"task": "t00", "x1": 0.5, "x2": -1.0}


@pytest.fixture(scope="module")
def model():
    return fitted("mixed model")


@pytest.fixture(scope="module")
def ask(model):
    """Sends requests to one service: a path and a body, to a status and what was answered."""
    transport = httpx.ASGITransport(service(model, seconds=0.3))

    def send(path, body=None, **options):
        async def sent():
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                if body is None:
                    return await client.get(path)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers = {"content-type": "application/json"} | options
                return await client.post(path, content=content, headers=headers)

        answer = asyncio.run(sent())
        kind = answer.headers["content-type"]
        return answer.status_code, answer.json() if "json" in kind else answer.text

    return send


def test_a_row_is_answered_as_a_frame_is(model, ask):
    x, _, task = noisy(6, 3, seed=1)
    rows = frame(x, task)
    status, answer = ask("/predict", {"rows": rows.to_dicts()})
    expected = model.predict(rows)
    assert status == 200 and answer["notes"] == []
    for name in ("predicted", "lower", "upper"):
        ours = [row[name] for row in answer["predictions"]]
        assert np.allclose(ours, expected[name].to_numpy(), rtol=1e-12)


def test_unknown_tasks_are_said_adapted_and_then_known(model, ask):
    x, y, task = noisy(1, 6, first=9)
    rows = frame(x, task).to_dicts()
    _, before = ask("/predict", {"rows": rows})
    assert any("the task is unknown: 't09'" in note for note in before["notes"])
    assert {row["basis"] for row in before["predictions"]} == {"mean of tasks"}
    status, adapted = ask("/adapt", {"rows": frame(x, task, y).to_dicts()})
    assert status == 200 and adapted["tasks"] == [{"task": "t09", "rows": 6}]
    _, after = ask("/predict", {"rows": rows, "model": adapted["model"]})
    expected = model.adapt(frame(x, task, y)).predict(frame(x, task))["predicted"].to_numpy()
    assert np.allclose([row["predicted"] for row in after["predictions"]], expected)
    assert not any("unknown" in note for note in after["notes"])
    _, still = ask("/predict", {"rows": rows})
    assert still == before


def test_the_schema_its_example_and_the_page_are_there(ask):
    _, schema = ask("/schema")
    assert [c["name"] for c in schema["columns"]] == ["task", "x1", "x2", "target"]
    status, _ = ask("/predict", {"rows": schema["example"]})
    assert status == 200
    assert ask("/health")[1]["status"] == "ok"
    status, page = ask("/")
    assert status == 200 and "http://" not in page and "https://" not in page
    _, description = ask("/openapi.json")
    for path in ("/predict", "/adapt"):
        body = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert ask(path, body["schema"]["example"])[0] == 200
        assert set(description["paths"][path]["post"]["responses"]) >= {"200", "413", "422"}


HOSTILE = {
    b"": 400,
    b"{": 400,
    b"\xff\xfe": 400,
    b"[" * 100_000: 400,
    b'{"rows":' * 50_000: 400,
    b'{"rows": [{"x1": NaN}]}': 400,
    b'{"rows": [{"x1": Infinity}]}': 400,
    b'{"rows": [{"x1": 1e999}]}': 422,
    b'{"rows": [{"x1": ' + b"9" * 5000 + b"}]}": 400,
    b'{"rows": [{"x1": ' + b"9" * 400 + b"}]}": 422,
    b'{"rows": [{"x1": "1"}]}': 422,
    b'{"rows": [{"x1": true}]}': 422,
    b'{"rows": [{"x1": [1]}]}': 422,
    b'{"rows": [{"task": {}}]}': 422,
    b'{"rows": [{"task": 1.5}]}': 422,
    b'{"rows": {}}': 422,
    b'{"rows": []}': 422,
    b'{"rows": [1]}': 422,
    b"[]": 422,
    b"null": 422,
    b'{"rows": [{}], "model": 1}': 422,
    b'{"rows": [{}], "model": "none"}': 422,
    b'{"rows": [' + b"{}," * 10_000 + b"{}]}": 413,
    b" " * (2**20 + 1): 413,
}


@pytest.mark.parametrize("body, status", HOSTILE.items(), ids=lambda value: str(value)[:30])
def test_hostile_bodies_get_one_line(ask, body, status):
    got, answer = ask("/predict", body)
    assert got == status
    assert set(answer) == {"error"} and "\n" not in answer["error"] and len(answer["error"]) < 300


def test_other_paths_methods_and_types_get_one_line(ask):
    assert ask("/none")[0] == 404
    assert ask("/predict")[0] == 405
    assert ask("/schema", {})[0] == 405
    status, answer = ask("/predict", {"rows": [ROW]}, **{"content-type": "text/plain"})
    assert (status, list(answer)) == (415, ["error"])


def test_surrogates_and_huge_numbers_are_answered_or_refused(ask):
    assert ask("/predict", b'{"rows": [{"task": "\\ud800", "x1": 1}]}')[0] == 200
    assert ask("/predict", {"rows": [ROW | {"x1": 1e300}]})[0] in (200, 422)
    assert ask("/predict", {"rows": [ROW | {"\ud800<script>": 1}]})[0] == 200


def test_a_body_that_does_not_arrive_is_given_up(model):
    app, sent = service(model, seconds=0.1), []

    async def receive():
        await asyncio.sleep(5)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [],
        "query_string": b"",
    }
    scope |= {"http_version": "1.1", "scheme": "http", "server": ("s", 80), "raw_path": b"/predict"}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CELLS = st.dictionaries(st.sampled_from(["task", "x1", "x2", "target"]) | st.text(), VALUES)
BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"rows": st.lists(CELLS, max_size=3)}, optional={"model": VALUES}).map(
        lambda value: json.dumps(value).encode()
    ),
)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODIES, path=st.sampled_from(["/predict", "/adapt"]))
def test_whatever_is_sent_gets_an_answer_or_one_line(ask, body, path):
    status, answer = ask(path, body)
    assert status == 200 or (400 <= status < 500 and set(answer) == {"error"})


def test_rows_of_json_are_read_as_a_frame_is():
    rows = shops(40, ["a", "b"], ["blue", "red"], seed=3)
    table = ls.read_table(rows, task="shop", target="sales")
    later = shops(20, ["a", "b", "c"], ["blue", "red", "green"], seed=4)
    ours, theirs = JsonRows(table.schema)(later.to_dicts()), table.schema.read(later)
    assert np.array_equal(ours.x, theirs.x, equal_nan=True)
    assert np.array_equal(ours.y, theirs.y, equal_nan=True)
    assert ours.task.tolist() == theirs.task.tolist() and ours.task_names == theirs.task_names


def test_the_store_forgets_what_is_old_and_what_is_too_much(model):
    time = [0.0]
    x, y, task = noisy(1, 3, first=9)
    adapted = model.adapt(frame(x, task, y))
    store = Store(most=2, seconds=10.0, clock=lambda: time[0])
    first, second = store.add(adapted), store.add(adapted)
    assert store.get(first) is adapted  # used again: the second is now the oldest
    third = store.add(adapted)
    assert len(store) == 2 and first != third
    with pytest.raises(ls.InputError, match="no more"):
        store.get(second)
    time[0] = 11.0
    with pytest.raises(ls.InputError, match="no more"):
        store.get(first)
    assert len(store) == 0
    with pytest.raises(ls.InputError, match="too many to keep"):
        Store(most_bytes=100).add(adapted)
