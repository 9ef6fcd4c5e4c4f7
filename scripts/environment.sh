# Sourced by the scripts beside it: makes .venv in the repository and installs gbopt into it.
# Usage: make_environment EXTRAS, such as "" or "[dev]".

make_environment() {
    local python
    for python in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null && break
        python=""
    done
    if [ -z "$python" ]; then
        echo "error: no Python 3.11 or newer was found; set PYTHON=/path/to/python3" >&2
        exit 3
    fi
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    echo "installing gbopt into .venv (a few minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$1"
}
