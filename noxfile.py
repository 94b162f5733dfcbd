"""Checks and builds, each in an environment of its own: `nox` runs all checks, `nox --list` names the rest."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["style", "types", "tests", "docs"]


@nox.session
def style(session: nox.Session) -> None:
    """Lint, and see that all is formatted."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of what is installed."""
    session.install(".[dev]")
    config = Path("pyproject.toml").resolve()
    session.chdir(session.create_tmp())  # here the packages' names are those of the checkout's folders
    session.run("mypy", "--strict", "--config-file", config, "-p", "sora2api")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; what follows `--` goes to pytest: `nox -s tests -- -m 'slow or not slow'`."""
    session.install("-e", ".[dev]")
    session.run("pip", "check")
    session.run("pytest", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into `site/`; a warning is an error."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "-d", session.create_tmp(), "docs", "site")


@nox.session
def lock(session: nox.Session) -> None:
    """Write `requirements.lock`: what the program needs, in versions with hashes, for every system."""
    session.install("uv")
    options = ("--universal", "--generate-hashes", "--no-emit-index-url", "--upgrade", "--quiet")
    session.run(
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        *options,
        "--custom-compile-command",
        "nox -s lock",
        "-o",
        "requirements.lock",
    )


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in what the lock names; this asks a public service."""
    session.install("pip-audit")
    session.run("pip-audit", "--require-hashes", "-r", "requirements.lock")


@nox.session
def sbom(session: nox.Session) -> None:
    """Write `sbom.json`: the bill of materials of an installation, in CycloneDX's form."""
    session.install("--require-hashes", "-r", "requirements.lock")
    session.install("--no-deps", ".")
    tool = session.create_tmp()
    session.run("python", "-m", "venv", tool, external=True)
    session.run(f"{tool}/bin/pip", "install", "--quiet", "cyclonedx-bom", external=True)
    session.run(
        f"{tool}/bin/cyclonedx-py",
        "environment",
        "--pyproject",
        "pyproject.toml",
        "-o",
        "sbom.json",
        session.virtualenv.location,
        external=True,
    )


@nox.session
def pyz(session: nox.Session) -> None:
    """Build `sora2api.pyz`, the single file."""
    session.install("pex")
    session.run("python", "-m", "tools.zipapp")
