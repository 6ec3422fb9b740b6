"""The container files say what the settings and scripts say (an engine may not be at hand)."""

import json
import re
import subprocess

import pytest

from edge.settings import Settings
from tests.house.sources import ROOT, text


def _instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", text("Dockerfile"))
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_signals_reach_the_supervisor_and_it_is_not_root() -> None:
    """Exec-form entry point and command, as an unprivileged user set before them."""
    instructions = _instructions()
    words = [word for word, _ in instructions]
    by_word = dict(instructions)
    assert json.loads(by_word["ENTRYPOINT"]) == ["edge"]
    assert json.loads(by_word["CMD"]) == ["serve"]
    assert by_word["USER"] == "edge"
    assert words.index("USER") > words.index("RUN")
    assert "/healthz" in by_word["HEALTHCHECK"]


def test_ports_and_settings_of_the_image_are_real() -> None:
    """The exposed ports are the default ones, and every EDGE_ variable is a setting."""
    by_word = dict(_instructions())
    defaults = Settings.model_fields
    words = ("http", "https", "control", "panel", "smtp", "smtps", "returns")
    binds = [f"{word}_bind" for word in words]
    ports = {str(defaults[field].default.port) for field in binds}
    assert set(by_word["EXPOSE"].split()) == ports
    assert by_word["VOLUME"] in text("deploy/install")
    named = set(re.findall(r"EDGE_[A-Z_]+", text("Dockerfile") + text("compose.yaml")))
    assert named
    assert named <= {f"EDGE_{field.upper()}" for field in defaults}


def test_the_build_context_has_what_is_copied() -> None:
    """Everything copied exists and is let through by .dockerignore."""
    allowed = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    for word, rest in _instructions():
        if word == "COPY":
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in allowed, source


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", "tests/run"),
        ("bash", ".ci/run"),
        ("sh", "deploy/install"),
        ("bash", "deploy/image-check"),
    ],
)
def test_scripts_parse(shell: str, script: str) -> None:
    """A script that only root runs is at least well formed."""
    subprocess.run([shell, "-n", ROOT / script], check=True)
