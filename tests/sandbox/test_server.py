"""The sandbox as a process: what it says, whom it lets in, and how it ends."""

import ast
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.sandbox import likeness, server
from pipeline.sandbox.embedded import Embedded, SandboxFailedError
from tests.sandbox.door import Door, profiles

ROOT = Path(__file__).parents[2]
BULK = "/v2/customer_profiles"
ANNOUNCED = "pipeline sandbox listening on http://127.0.0.1:"
PARENT = """
import sys, time
from pipeline.sandbox.embedded import Embedded
sandbox = Embedded().start()
print(sandbox.base_url, sandbox.pid, flush=True)
if sys.argv[1] == "fork":
    import os
    if os.fork() == 0:      # holds the other end of the sandbox's standard input
        time.sleep(60)
sys.stdin.read()
"""


def ended(pid: int, seconds: int = 20) -> bool:
    """Wait until the process *pid*, which is not ours to wait for, is gone or a zombie."""
    with contextlib.suppress(ProcessLookupError):
        poll = select.poll()
        descriptor = os.pidfd_open(pid)
        try:
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(descriptor)
    return True


def run(*options: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command, as a person does."""
    code = "from pipeline.cli.sandbox import sandbox; sandbox()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command; what still runs after the test is ended."""
    with contextlib.ExitStack() as started:

        def start_one(*options: str, **environment: str) -> subprocess.Popen[str]:
            child = started.enter_context(run(*options, **environment))
            started.callback(child.kill)
            return child

        yield start_one


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_one_line_and_ends_when_told(
    command: Callable[..., subprocess.Popen[str]], signalled: int
) -> None:
    child = command()
    line = first_line(child)
    assert line.startswith(ANNOUNCED)
    door = Door(line.removeprefix("pipeline sandbox listening on "), "sandbox")
    assert door.ask("PUT", BULK, profiles("A")).status == 204
    assert door.ask("GET", "/v1/attributes").status == 200
    door.connection.close()
    child.send_signal(signalled)
    rest, hints = child.communicate(timeout=20)
    assert rest == ""
    assert "export TALON_ONE_API_KEY=sandbox\n" in hints
    assert f"export TALON_ONE_BASE_URL={line.split()[-1]}\n" in hints
    assert len(hints.splitlines()) == 2


def test_a_key_of_the_environment_opens_and_is_never_shown(
    command: Callable[..., subprocess.Popen[str]],
) -> None:
    keys = {"TALON_ONE_API_KEY": "s3cr3t-a", "TALON_ONE_MANAGEMENT_KEY": "s3cr3t-m"}
    child = command("--fault", "500 on audiences after", **keys)
    address = first_line(child).split()[-1]
    door, manager = Door(address, "s3cr3t-a"), Door(address, "s3cr3t-m")
    assert door.ask("PUT", BULK, profiles("A")).status == 204
    assert manager.ask("GET", "/v1/attributes").status == 200
    for wrong in (manager, Door(address, "sandbox"), Door(address, "")):
        assert wrong.ask("PUT", BULK, profiles("A")).status == 401
        wrong.connection.close()
    assert door.ask("GET", "/v1/attributes").status == 401
    told = json.dumps([door.ask("GET", f"/_sandbox/{n}").body for n in ("state", "requests")])
    door.connection.close()
    child.terminate()
    told += "".join(child.communicate(timeout=20))
    assert "s3cr3t" not in told
    assert "****" in told


@pytest.mark.parametrize(
    "header", ["", "ApiKey-v1", "ApiKey-v1 ", "Bearer {}", "{}", "apikey-v1 {}"]
)
def test_only_the_documented_header_opens(sandbox: Embedded, door: Door, header: str) -> None:
    given = header.format(sandbox.api_key)
    reply = door.ask("PUT", BULK, profiles("A"), Authorization=given)
    assert (reply.status, reply.body) == (401, {"message": "Invalid API key", "StatusCode": 401})


def test_what_is_not_there_and_what_is_not_allowed(door: Door) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/v9/customer_profiles", 404),
        ("PUT", "/v2/customer_profiles/a/b", 404),
        ("GET", "/v2/customer_profiles", 405),
        ("PATCH", "/v2/customer_profiles/A", 405),
        ("POST", "/v1/coupon_reservations/customerprofiles/CODE", 405),
        ("POST", "/_sandbox/state", 404),
        ("GET", "/_sandbox/nothing", 404),
        ("GET", "/_sandbox/requests?last=x", 400),
    ):
        reply = door.ask(method, path, {})
        assert (reply.status, "message" in reply.body) == (status, True), (method, path)


def test_an_empty_id_meets_the_collection(door: Door) -> None:
    assert door.ask("PUT", "/v2/customer_profiles/", profiles("A")).status == 204


def test_ids_are_decoded_after_the_path_is_split(door: Door) -> None:
    for raw, name in (("A%201%2F%C3%A9%3F%25", "A 1/é?%"), ("a+b", "a+b"), ("..", "..")):
        assert door.ask("PUT", f"/v2/customer_profiles/{raw}", {}).status == 200
        (held,) = door.lines(f"/_sandbox/profiles?key={raw.replace('+', '%2B')}")
        assert held["integrationId"] == name


def test_a_body_beyond_the_limit_is_413(
    start: Callable[..., Embedded], open_door: Callable[[Embedded], Door]
) -> None:
    door = open_door(start(options={"body-bytes-max": "100000"}))
    assert door.ask("PUT", BULK, b" " * 200_000).status == 413
    assert door.ask("PUT", BULK, profiles("A")).status == 204


def test_state_and_lines_tell_what_was_applied(door: Door) -> None:
    door.ask("PUT", BULK, profiles("A", "B", n=1))
    door.ask("PUT", BULK, profiles("B", "", n=2))
    door.ask("PUT", BULK, profiles("B", n=3))
    counts = door.state()["operations"]["updateCustomerProfilesV2"]
    expected = {"requests": 3, "applied": 2, "rows": 3, "refused": 1, "replayed": 0, "faults": 0}
    assert counts == expected
    assert door.state()["repeated"] == {"profile": 1}
    held = {one["integrationId"]: one for one in door.lines("/_sandbox/profiles")}
    assert (held["B"]["attributes"], held["B"]["applied"], held["B"]["requests"]) == (
        {"n": 3},
        2,
        [1, 3],
    )
    assert door.lines("/_sandbox/applied?kind=profile&key=A&key=nobody") == [
        {"kind": "profile", "key": "A", "applied": 1, "requests": [1]}
    ]
    assert [
        one["number"] for one in door.ask("GET", "/_sandbox/requests?last=2").body["requests"]
    ] == [2, 3]


def test_what_is_remembered_of_requests_is_bounded(
    start: Callable[..., Embedded], open_door: Callable[[Embedded], Door]
) -> None:
    door = open_door(start(options={"requests-kept": "2"}))
    for name in "ABC":
        door.ask("PUT", BULK, profiles(name))
    kept = door.ask("GET", "/_sandbox/requests").body["requests"]
    assert [json.loads(one["body"]) for one in kept] == [profiles("B"), profiles("C")]


def test_the_clock_can_be_moved(door: Door) -> None:
    body = {"attributes": {"n": 1}}
    door.ask("PUT", "/v2/customer_profiles/A", body, Idempotency_Key="k")
    door.ask("POST", "/_sandbox/clock?forward=86400")
    door.ask("PUT", "/v2/customer_profiles/A", body, Idempotency_Key="k")
    state = door.state()
    assert state["operations"]["updateCustomerProfileV2"]["applied"] == 2


def test_the_state_is_there_after_a_kill(
    tmp_path: Path, start: Callable[..., Embedded], open_door: Callable[[Embedded], Door]
) -> None:
    options = {"data": str(tmp_path / "account")}
    first = start(options=options)
    assert open_door(first).ask("PUT", BULK, profiles("A", n=1)).status == 204
    first.kill()
    (held,) = open_door(first.start()).lines("/_sandbox/profiles")
    assert (held["integrationId"], held["attributes"]) == ("A", {"n": 1})
    with pytest.raises(SandboxFailedError, match="runs already"):
        first.start()


@pytest.mark.parametrize(
    ("faults", "options", "words"),
    [
        ("tea", {}, "'tea' is no fault"),
        ("", {"tea": "yes"}, "no switch 'tea'"),
        ("", {"attributes": "nowhere.json"}, "nowhere.json"),
        ("", {"data": "/dev/null/account"}, "/dev/null"),
    ],
)
def test_a_sandbox_that_cannot_start_says_why(
    faults: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(SandboxFailedError, match=words):
        Embedded(faults=faults, options=options).start()


def test_a_port_that_is_taken_is_one_sentence(
    command: Callable[..., subprocess.Popen[str]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = command("--port", str(taken.getsockname()[1]))
        out, told = child.communicate(timeout=20)
    assert (child.returncode, out) == (2, "")
    assert told.startswith("sandbox: ")
    assert len(told.splitlines()) == 1


def test_the_child_ends_with_its_block_and_its_key_is_not_shown() -> None:
    with Embedded() as sandbox:
        pid = sandbox.pid
        shown = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") + repr(sandbox)
        assert sandbox.api_key not in shown
    assert ended(pid)
    sandbox.stop()  # again: nothing happens
    with pytest.raises(SandboxFailedError, match="does not run"):
        assert sandbox.pid
    with Embedded() as one, Embedded() as other:
        assert one.api_key != other.api_key


@pytest.mark.parametrize("how", ["exit", "kill", "fork"])
def test_the_child_ends_when_its_parent_does_however_it_does(how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, how],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdin is not None
        try:
            pid = int(first_line(parent).split()[1])
            if how == "exit":
                parent.stdin.close()
            else:
                parent.kill()
            assert ended(pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)  # the fork, which sleeps


def test_answers_are_not_held_back_until_the_last_is_acknowledged() -> None:
    with (
        server.listening(server.Settings()) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_listening_beyond_this_machine_is_warned_about() -> None:
    for host, warned in (("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("x.org", True)):  # noqa: S104
        told = server.hints(server.Settings(host=host), "http://…", {})
        assert any(line.startswith("warning: ") for line in told) is warned
    told = server.hints(server.Settings(), "http://…", {"TALON_ONE_API_KEY": "s3cr3t"})
    assert told == ["export TALON_ONE_BASE_URL=http://…"]


def test_a_likeness_is_read_and_what_is_wrong_in_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "account.toml"
    path.write_text('faults = "rate:9/s"\n[options]\nstrict = "yes"\nattributes = "a.json"\n')
    found = likeness.read(path)
    assert (found.faults, found.seed) == ("rate:9/s", 0)
    assert found.options == {"strict": "yes", "attributes": str(tmp_path / "a.json")}
    for text in ("faults = 3", "fault = ''", "seed = 'x'", "options = 3", "="):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"account\.toml"):
            likeness.read(path)


def test_the_command_takes_a_likeness_and_what_is_said_beside_it_wins(
    tmp_path: Path, command: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "account.toml"
    path.write_text('faults = "500"\nseed = 4\n[options]\nstrict = "yes"\nmerge = "replace"\n')
    child = command("--like", str(path), "--merge", "merge")
    door = Door(first_line(child).split()[-1], "sandbox")
    state = door.state()
    door.connection.close()
    assert (state["switches"]["strict"], state["switches"]["merge"]) == ("yes", "merge")
    assert state["faults"] == {"rules": [{"fault": "500", "struck": 0}], "seed": 4}
    child.terminate()
    child.communicate(timeout=20)


def test_the_sandbox_imports_nothing_else_of_this_package() -> None:
    for path in (ROOT / "pipeline" / "sandbox").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] == "pipeline"]
            assert all(name.startswith("pipeline.sandbox") for name in ours), path


def test_embedding_costs_no_heavy_import() -> None:
    code = (
        "import sys, pipeline.sandbox.embedded, pipeline.sandbox.switches; "
        "print([m for m in ('uvicorn', 'orjson', 'jsonschema_rs', 'polars') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
