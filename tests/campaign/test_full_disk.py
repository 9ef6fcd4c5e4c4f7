"""A disk that is full: real campaigns on small file systems of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gbopt.store.files import append_line
from tests.campaign.harness import evaluations, gbopt

MOUNT = 'mount -t tmpfs -o size="$1" none "$2"'
RUN = f'{MOUNT} || exit 77; "$3" -m gbopt run "$4" --out "$2/run"; code=$?; cp -r "$2/run" "$5"'


def on_a_disk_of(size, file, folder):
    """Run a campaign on a disk that is gone afterwards; its run folder is then in ``folder``."""
    disk = folder / "disk"
    disk.mkdir()
    done = subprocess.run(
        [
            *("unshare", "-rm", "sh", "-c", f"{RUN}; exit $code", "sh", size, disk),
            *(sys.executable, file, folder / "run"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no file system of one's own can be mounted here")
    return done


def test_what_is_whole_stays_and_the_rest_is_run_when_there_is_room(tiny, tmp_path):
    done = on_a_disk_of("480k", tiny(evaluations=1), tmp_path)  # room for a part of the first trial
    assert done.returncode == 3, done.stdout + done.stderr
    assert "cannot be written: no space left on" in done.stderr.lower()
    assert "hint: free some 4.39 MB there (" in done.stderr
    assert "Traceback" not in done.stderr
    run = tmp_path / "run"
    assert evaluations(run) == {}  # the trial is not to blame
    for file in (*run.glob("*.json"), *run.glob("trials/*/*.json")):
        json.loads(file.read_text())
    again = gbopt("resume", run)
    assert again.returncode == 0, again.stdout + again.stderr
    assert sorted(evaluations(run)) == [0]


def test_a_study_without_room_says_so(tiny, tmp_path):
    done = on_a_disk_of("144k", tiny(evaluations=1), tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "study.db cannot be written: database or disk is full" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_the_trace_names_the_file_that_has_no_room():
    with pytest.raises(OSError, match="No space left") as caught:
        append_line(Path("/dev/full"), {"event": "any"})
    assert caught.value.filename == "/dev/full"
