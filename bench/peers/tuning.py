"""The environment in which PyTorch is measured. Loads without PyTorch, because it must act before PyTorch is loaded.

Stock is PyTorch as installed, told only how many threads to use. Tuned is PyTorch at its best on a CPU: one thread
pool (OpenBLAS built on OpenMP, if the package libopenblas0-openmp is installed), threads pinned, glibc's malloc told
to keep its memory, and images stored channels-last.
"""

import glob
import os
import resource
import sys

KEEP_MEMORY = {  # glibc: never give memory back between steps; 32 MiB is the largest threshold it accepts
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def openmp_blas():
    """The folder of OpenBLAS's OpenMP variant, or None."""
    found = glob.glob("/usr/lib/*/openblas-openmp/libopenblas.so.0")
    return os.path.dirname(found[0]) if found else None


def start_tuned(threads):
    """Starts this program anew in the tuned environment; returns at once if it already runs in it."""
    if os.environ.get("MINIMA_PEER_TUNED"):
        return
    environment = dict(os.environ, **KEEP_MEMORY, MINIMA_PEER_TUNED="1", OMP_NUM_THREADS=str(threads))
    folder = openmp_blas()
    if folder:
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, [folder, os.environ.get("LD_LIBRARY_PATH")]))
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def pin_threads():
    """The main thread on the first processor it may use, the others on the rest in turn."""
    if not hasattr(os, "sched_setaffinity"):
        return
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        return
    for i, thread in enumerate(sorted(map(int, os.listdir("/proc/self/task")))):
        main = thread == os.getpid()
        os.sched_setaffinity(thread, {processors[0] if main else processors[1:][i % (len(processors) - 1)]})


def peak_rss_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << (20 if sys.platform == "darwin" else 10)), 1)


def description(tuned):
    """Which PyTorch was measured, for the record; only once it is loaded."""
    record = {"framework": "torch-tuned" if tuned else "torch-stock", "version": sys.modules["torch"].__version__}
    if tuned:
        record["one_thread_pool"] = openmp_blas() is not None
    return record
