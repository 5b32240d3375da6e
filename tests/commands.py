"""A command as a user runs it, for tests: its exit code and what it prints."""

from layerscope.cli import main


def layerscope(capsys, *arguments):
    """Exit code, what stands on stdout, what stands on stderr."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def refused(capsys, *arguments):
    """The message for a mistake: exit code 2, nothing on stdout, one screen, no traceback."""
    code, out, err = layerscope(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 20
    return err
