import subprocess
import sys
import textwrap

import pytest

NOBODY = 65_534
"""An ordinary user, who may be nicer and never less nice."""

START = f"""
    import os, sys, tempfile
    from pathlib import Path
    from streams.local import children

    mine = os.nice(int(sys.argv[1]))
    if os.geteuid() == 0:
        os.setuid({NOBODY})
    with tempfile.TemporaryDirectory() as folder:
        process = children.start(["sleep", "600"], Path(folder, "log"), nice=int(sys.argv[2]))
        print(mine, os.getpriority(os.PRIO_PROCESS, process.pid))
        children.stop(process, 10)
"""


@pytest.mark.parametrize(("parent", "more"), [(0, 0), (0, 5), (10, 5), (10, 0)])
def test_a_child_is_nicer_than_its_parent_by_so_much(parent: int, more: int) -> None:
    """Beside a nice parent too: a lower value than the parent's is refused to an ordinary user."""
    command = [sys.executable, "-c", textwrap.dedent(START), str(parent), str(more)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    mine, child = map(int, said.split())
    assert child == min(mine + more, 19)
