"""`gbopt export` of a run folder: what is written follows from the format."""

from __future__ import annotations

from gbopt.cli.export import ExportFormat, export
from tests.campaign.harness import gbopt
from tests.cli.test_cli import refused
from tests.cli.test_watch import begun


def test_tables_and_bundles_go_into_a_folder_or_a_file(tmp_path, capsys):
    run = begun(tmp_path / "run").path
    export(run, tmp_path / "out", ExportFormat.CSV)
    export(run, tmp_path / "mine.zip", ExportFormat.ZIP)
    said = capsys.readouterr().out
    assert (tmp_path / "out" / "small-trace.csv").read_text().count("\n") == 3
    assert (tmp_path / "mine.zip").stat().st_size > 1000
    assert "it names no licence: choose one with --license" in said


def test_what_is_of_a_library_is_refused(tmp_path):
    run = begun(tmp_path / "run").path
    done = gbopt("export", run, "--to", tmp_path / "out", "-f", "cif", "--where", "width = 3")
    refused(done, "--where chooses from a library", "--best")
    assert not (tmp_path / "out").exists()
