# Sourced by the scripts beside it: makes .venv in the repository and installs gbopt into it.
# Usage: make_environment EXTRAS, such as "" or "[dev]".

make_environment() {
    local python stamp=".venv/.gbopt-installed$1"
    for python in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null && break
        python=""
    done
    if [ -z "$python" ]; then
        echo "error: no Python 3.11 or newer was found; set PYTHON=/path/to/python3" >&2
        exit 3
    fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        rm -rf .venv
        if ! "$python" -m venv .venv; then
            rm -rf .venv
            echo "error: $python cannot make virtual environments" >&2
            echo "hint: on Debian and Ubuntu, apt install python3-venv" >&2
            exit 3
        fi
    fi
    # Nothing to do, and no network needed, while the list of dependencies is unchanged.
    if [ "$stamp" -nt pyproject.toml ]; then
        return
    fi
    echo "installing gbopt into .venv (a few minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$1"
    touch "$stamp"
}
