"""Runs a program that may not make a file larger than a limit: writing past it fails, as on a full disk.

    python limited.py BYTES PROGRAM [ARGS...]
"""

import os
import resource
import signal
import sys

limit = int(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
