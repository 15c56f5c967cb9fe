"""Training that lets go of memory when it is asked to, and saves before it is too late.

    from holdfast import Guard

    with Guard("last.pt", lambda path: torch.save(model.state_dict(), path)) as guard:
        for batch in loader:
            ...
            guard.step()

When memory runs short Holdfast's monitor sends SIGUSR2 to training that handles it, before it freezes or
ends anything. A Guard only notes the signal; at the next step() it frees caches (gc, torch.cuda's if torch is
there) and saves a checkpoint: beside the old one, synced, renamed, so that one of the two is always whole.
Nothing is done inside the signal handler: saving there has hung and torn checkpoints.

Workers that are forked later ignore the signal. Of a distributed run (RANK) only the first saves.

    from holdfast.hooks import lightning_callback, GuardHandler     # Lightning; Ignite and MONAI

Standard library only; torch is used where the program has imported it, and is never imported here.
"""
import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

__all__ = ["Answer", "Error", "Guard", "Refused", "atomic_write", "gate", "release", "report"]
__version__ = "0.1"


class Error(Exception):
    """detect is missing, or said something that makes no sense."""


class Refused(Error):
    """The gate said no. answer: what it said, a dict as of `detect gate --json`."""

    def __init__(self, answer):
        self.answer = answer
        reasons = [r["text"] for r in answer.get("reasons", []) if r.get("level") == "refused"]
        super().__init__("; ".join(reasons) or "refused")


def _program():
    named = os.environ.get("HOLDFAST_DETECT")
    for name in [named] if named else ["detect", "hf-detect"]:
        path = shutil.which(name)
        if path:
            return path
    raise Error("%s: not found in PATH; HOLDFAST_DETECT names it" % (named or "detect"))


def _ask(words, codes, timeout):
    try:
        p = subprocess.run([_program(), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Error("detect %s: no answer in %g s" % (words[0], timeout)) from None
    if p.returncode not in codes:
        said = p.stderr.decode("utf-8", "replace").strip()
        raise Error(said or "detect %s: exit %d" % (words[0], p.returncode))
    try:
        return json.loads(p.stdout.decode("utf-8", "replace"))
    except ValueError:
        raise Error("detect %s: no JSON" % words[0]) from None


def report(timeout=10):
    """How near the edge the machine is: the object of `detect report --json`."""
    return _ask(["report", "--json"], (0,), timeout)


def gate(need=None, gpu_need=None, shm_need=None, tier=None, config=None, force=False, snapshot=True, timeout=60):
    """Is there room? The object of `detect gate --json`; raises Refused when there is none.

    Sizes are bytes, or texts such as "6G". A snapshot is taken before a yes."""
    words = ["gate", "--json"]
    for name, value in (("--need", need), ("--gpu-need", gpu_need), ("--shm-need", shm_need), ("--tier", tier),
                        ("--config", config)):
        if value is not None:
            words += [name, str(value)]
    if force:
        words.append("--force")
    if not snapshot:
        words.append("--no-snapshot")
    answer = _ask(words, (0, 1), timeout)
    if not answer.get("allowed"):
        raise Refused(answer)
    return answer


def release():
    """Gives back what is held for nothing: garbage, and the caches of torch's GPU allocator."""
    gc.collect()
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    try:
        if cuda is not None and cuda.is_available() and cuda.is_initialized():
            cuda.empty_cache()
    except Exception:       # a driver in trouble must not end the training that is asked to help
        pass
    _trim()


def _trim():
    """What free() keeps back goes to the kernel; glibc alone has it."""
    try:
        import ctypes
        ctypes.CDLL(None).malloc_trim(0)
    except Exception:
        pass


def _sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def atomic_write(path, write):
    """write(temporary path), then in place of path: whatever happens, the old or the new is there, whole."""
    path = os.fspath(path)
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, ".%s.tmp-%d" % (name, os.getpid()))
    try:
        write(temporary)
        fd = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, os.path.join(folder, name))
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    _sync_folder(folder)


class Answer:
    """What a Guard did when it was asked. saved: the checkpoint's path, or None; error: why none."""

    def __init__(self, saved, error, seconds):
        self.saved, self.error, self.seconds = saved, error, seconds


class Guard:
    """Notes the request, does the work at the next step.

    path, save: save(temporary path) writes a checkpoint that then replaces path; without them caches are
    freed and nothing is saved. Errors of save are kept (last.error) and printed, not raised: the training
    that was asked for memory goes on. on_answer(Answer) is called after each."""

    def __init__(self, path=None, save=None, signum=signal.SIGUSR2, on_answer=None, at_least_s=30):
        if (path is None) != (save is None):
            raise TypeError("path and save go together")
        self.path, self.save, self.signum, self.on_answer = path, save, signum, on_answer
        self.at_least_s = at_least_s    # between two checkpoints: asked again and again, it must still train
        self.last = None
        self._asked = False
        self._pid = None
        self._before = None
        self._saved_at = None

    def install(self):
        """From the main thread; again does nothing."""
        if self._pid == os.getpid():
            return self
        if threading.current_thread() is not threading.main_thread():
            raise Error("a Guard is installed from the main thread")
        self._pid = os.getpid()
        self._before = signal.signal(self.signum, self._on_signal)
        os.register_at_fork(after_in_child=self._in_child)
        return self

    def close(self):
        """The signal is as it was."""
        if self._pid != os.getpid():
            return
        self._pid = None
        if signal.getsignal(self.signum) == self._on_signal:
            signal.signal(self.signum, self._before if self._before is not None else signal.SIG_DFL)

    def __enter__(self):
        return self.install()

    def __exit__(self, *_):
        self.close()

    def _on_signal(self, signum, frame):
        # In a worker that was forked by other means (not os.fork) the handler is inherited too.
        if os.getpid() == self._pid:
            self._asked = True

    def _in_child(self):
        # A worker has nothing to save, and must not die of what was meant for its parent.
        if self._pid is not None:
            self._pid = None
            self._asked = False
            try:
                signal.signal(self.signum, signal.SIG_IGN)
            except ValueError:      # forked from another thread
                pass

    @property
    def asked(self):
        return self._asked

    def step(self, save=None):
        """At a moment when everything may be saved. True: it was asked for, and done. save: instead of the
        Guard's own, for this once."""
        if not self._asked:
            return False
        self._asked = False
        self._act(save or self.save)
        return True

    def _may_save(self):
        if self.path is None or os.environ.get("RANK", "0") != "0":
            return False
        return self._saved_at is None or time.monotonic() - self._saved_at >= self.at_least_s

    def _act(self, save):
        begun, saved, error = time.monotonic(), None, None
        release()
        if save is not None and self._may_save():
            try:
                atomic_write(self.path, save)
                saved = os.fspath(self.path)
                self._saved_at = time.monotonic()
            except Exception as e:
                error = e
                print("holdfast: %s: not saved: %s" % (os.fspath(self.path), e), file=sys.stderr)
            release()       # what saving took
        self.last = Answer(saved, error, time.monotonic() - begun)
        self._tell()
        if self.on_answer:
            self.on_answer(self.last)

    def _tell(self):
        """To `detect runs`: a line in the run's folder."""
        folder = os.environ.get("HOLDFAST_RUN_DIR")
        if not folder:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        line = "%s process %d: caches freed, %s, %.1f s\n" % (
            stamp, os.getpid(), "saved " + self.last.saved if self.last.saved else
            "not saved: %s" % self.last.error if self.last.error else "nothing saved", self.last.seconds)

        def write(path):
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as f:
                f.write(line.replace("\n", " ").rstrip() + "\n")
        try:
            atomic_write(os.path.join(folder, "answer"), write)
        except OSError:
            pass
