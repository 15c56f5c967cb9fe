"""python3 -m unittest, from this folder. HOLDFAST_DETECT names the detect to ask."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import types
import unittest

import holdfast
from holdfast import Guard, atomic_write
from holdfast.hooks import GuardHandler, lightning_callback

HERE = os.path.dirname(os.path.abspath(__file__))


def ask(pid=None):
    os.kill(pid or os.getpid(), signal.SIGUSR2)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "last.pt")

    def text(self, path=None):
        with open(path or self.path) as f:
            return f.read()

    def writer(self, text):
        def write(path):
            with open(path, "w") as f:
                f.write(text)
        return write


class AtomicWrite(Files):
    def test_the_new_replaces_the_old(self):
        atomic_write(self.path, self.writer("one"))
        atomic_write(self.path, self.writer("two"))
        self.assertEqual(self.text(), "two")
        self.assertEqual(os.listdir(self.folder.name), ["last.pt"])

    def test_a_failure_leaves_the_old_and_no_litter(self):
        atomic_write(self.path, self.writer("one"))

        def broken(path):
            self.writer("half")(path)
            raise RuntimeError("disk on fire")
        with self.assertRaises(RuntimeError):
            atomic_write(self.path, broken)
        self.assertEqual(self.text(), "one")
        self.assertEqual(os.listdir(self.folder.name), ["last.pt"])

    def test_killed_in_the_middle_the_old_is_whole(self):
        atomic_write(self.path, self.writer("one"))
        code = textwrap.dedent("""
            import os, signal, sys
            from holdfast import atomic_write
            def write(path):
                with open(path, "w") as f:
                    f.write("half")
                    f.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
            atomic_write(sys.argv[1], write)""")
        p = subprocess.run([sys.executable, "-c", code, self.path], cwd=HERE, check=False)
        self.assertEqual(p.returncode, -signal.SIGKILL)
        self.assertEqual(self.text(), "one")

    def test_a_name_in_the_current_folder(self):
        was = os.getcwd()
        self.addCleanup(os.chdir, was)
        os.chdir(self.folder.name)
        atomic_write("here.pt", self.writer("x"))
        self.assertEqual(self.text("here.pt"), "x")


class Guarding(Files):
    def test_nothing_is_done_until_the_step(self):
        done = []
        with Guard(self.path, lambda p: (done.append(1), self.writer("saved")(p))) as g:
            self.assertFalse(g.step())
            ask()
            self.assertTrue(g.asked)
            self.assertEqual(done, [])
            self.assertTrue(g.step())
            self.assertEqual(done, [1])
            self.assertEqual(self.text(), "saved")
            self.assertFalse(g.step())
        self.assertEqual(g.last.saved, self.path)

    def test_without_a_path_caches_are_freed(self):
        with Guard() as g:
            ask()
            self.assertTrue(g.step())
            self.assertIsNone(g.last.saved)

    def test_path_and_save_go_together(self):
        with self.assertRaises(TypeError):
            Guard("x")

    def test_the_handler_before_comes_back(self):
        def mine(*_):
            pass
        was = signal.signal(signal.SIGUSR2, mine)
        self.addCleanup(signal.signal, signal.SIGUSR2, was)
        with Guard():
            self.assertNotEqual(signal.getsignal(signal.SIGUSR2), mine)
        self.assertEqual(signal.getsignal(signal.SIGUSR2), mine)

    def test_torch_frees_its_caches_where_it_is(self):
        called = []
        torch = types.ModuleType("torch")
        torch.cuda = types.SimpleNamespace(is_available=lambda: True, is_initialized=lambda: True,
                                           empty_cache=lambda: called.append(1))
        sys.modules["torch"] = torch
        self.addCleanup(sys.modules.pop, "torch")
        with Guard() as g:
            ask()
            g.step()
        self.assertTrue(called)
        torch.cuda.empty_cache = lambda: 1 / 0
        holdfast.release()      # a driver in trouble is no reason to end

    def test_importing_it_imports_no_torch(self):
        code = "import sys, holdfast, holdfast.hooks; sys.exit('torch' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", code], cwd=HERE, check=False).returncode, 0)

    def test_an_error_of_save_does_not_end_the_training(self):
        def broken(path):
            raise OSError("no space left")
        said = []
        with Guard(self.path, broken, on_answer=said.append) as g:
            ask()
            self.assertTrue(g.step())
        self.assertIn("no space left", str(said[0].error))
        self.assertFalse(os.path.exists(self.path))

    def test_asked_again_and_again_it_still_trains(self):
        done = []
        with Guard(self.path, lambda p: (done.append(1), self.writer("x")(p))) as g:
            for _ in range(3):
                ask()
                g.step()
        self.assertEqual(done, [1])

    def test_only_the_first_of_a_distributed_run_saves(self):
        os.environ["RANK"] = "1"
        self.addCleanup(os.environ.pop, "RANK")
        with Guard(self.path, self.writer("x")) as g:
            ask()
            g.step()
        self.assertFalse(os.path.exists(self.path))

    def test_forked_workers_ignore_it(self):
        with Guard(self.path, self.writer("x")) as g:
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.write(w, b"up")
                    time.sleep(0.2)
                    os._exit(9 if g.step() or g.asked else 0)
                finally:
                    os._exit(8)
            os.read(r, 2)
            os.close(r)
            os.close(w)
            ask(pid)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            self.assertFalse(g.asked)
            ask()
            self.assertTrue(g.step())

    def test_workers_of_multiprocessing(self):
        code = textwrap.dedent("""
            import multiprocessing, os, signal, sys, time
            from holdfast import Guard
            def work(q):
                q.put(os.getpid())
                time.sleep(0.3)
            if __name__ == "__main__":
                with Guard() as g:
                    c = multiprocessing.get_context("fork")
                    q = c.Queue()
                    p = c.Process(target=work, args=(q,))
                    p.start()
                    os.kill(q.get(), signal.SIGUSR2)
                    p.join()
                    sys.exit(p.exitcode)""")
        self.assertEqual(subprocess.run([sys.executable, "-c", code], cwd=HERE, check=False).returncode, 0)

    def test_only_from_the_main_thread(self):
        seen = []

        def install():
            try:
                Guard().install()
            except holdfast.Error as e:
                seen.append(e)
        t = threading.Thread(target=install)
        t.start()
        t.join()
        self.assertTrue(seen)

    def test_the_runner_is_answered(self):
        os.environ["HOLDFAST_RUN_DIR"] = self.folder.name
        self.addCleanup(os.environ.pop, "HOLDFAST_RUN_DIR")
        with Guard(self.path, self.writer("x")) as g:
            ask()
            g.step()
        answer = self.text(os.path.join(self.folder.name, "answer"))
        self.assertIn("saved " + self.path, answer)
        self.assertEqual(answer.count("\n"), 1)


class Trainer:
    def __init__(self, writer):
        self.saved, self.writer = [], writer

    def save_checkpoint(self, path):
        self.saved.append(path)
        self.writer("trainer's")(path)


class Frameworks(Files):
    def test_lightning(self):
        base = type("Callback", (), {})
        sys.modules["pytorch_lightning"] = types.SimpleNamespace(Callback=base)
        self.addCleanup(sys.modules.pop, "pytorch_lightning")
        c, t = lightning_callback(self.path), Trainer(self.writer)
        self.assertIsInstance(c, base)
        c.on_train_start(t, None)
        c.on_train_batch_end(t, None, {}, [], 0)
        self.assertEqual(t.saved, [])
        ask()
        c.on_train_batch_end(t, None, {}, [], 1)
        self.assertEqual(self.text(), "trainer's")
        self.assertNotEqual(t.saved, [self.path])       # beside it, then renamed
        c.on_train_end(t, None)
        self.assertIsNone(c.guard._pid)

    def test_ignite_and_monai(self):
        class Engine:
            def __init__(self):
                self.handlers = {}

            def add_event_handler(self, event, fn):
                self.handlers.setdefault(event, []).append(fn)

            def fire(self, event):
                for fn in self.handlers.get(event, []):
                    fn(self)
        e = Engine()
        h = GuardHandler(self.path, self.writer("engine's"))
        h.attach(e)
        e.fire("started")
        e.fire("iteration_completed")
        self.assertFalse(os.path.exists(self.path))
        ask()
        e.fire("iteration_completed")
        self.assertEqual(self.text(), "engine's")
        e.fire("completed")
        self.assertIsNone(h.guard._pid)


class Asking(unittest.TestCase):
    def test_no_program(self):
        was = os.environ.get("HOLDFAST_DETECT")
        os.environ["HOLDFAST_DETECT"] = "/nowhere/detect"
        try:
            with self.assertRaises(holdfast.Error):
                holdfast.report()
        finally:
            os.environ.pop("HOLDFAST_DETECT")
            if was:
                os.environ["HOLDFAST_DETECT"] = was

    @unittest.skipUnless(os.environ.get("HOLDFAST_DETECT"), "HOLDFAST_DETECT names none")
    def test_the_real_one(self):
        self.assertIn("risk", holdfast.report())
        answer = holdfast.gate(need="1M", snapshot=False)
        self.assertTrue(answer["allowed"])
        with self.assertRaises(holdfast.Refused) as caught:
            holdfast.gate(need=1 << 50, snapshot=False)
        self.assertIn("too little", str(caught.exception))
        self.assertFalse(caught.exception.answer["allowed"])
        self.assertTrue(holdfast.gate(need=1 << 50, force=True, snapshot=False)["allowed"])
        with self.assertRaises(holdfast.Error):
            holdfast.gate(tier="huge")
        json.dumps(answer)


if __name__ == "__main__":
    unittest.main()
