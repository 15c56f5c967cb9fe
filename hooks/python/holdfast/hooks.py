"""A Guard where a framework runs the loop: Lightning, Ignite, MONAI. None of them is imported here: what the
program has imported is used, and anything that looks like it will do."""
import sys

from holdfast import Guard

__all__ = ["GuardHandler", "lightning_callback"]


def _base():
    for name in ("lightning.pytorch", "pytorch_lightning"):
        module = sys.modules.get(name)
        found = getattr(module, "Callback", None) or getattr(getattr(module, "callbacks", None), "Callback", None)
        if isinstance(found, type):
            return found
    return object


def lightning_callback(path=None, **guard):
    """For Trainer(callbacks=[lightning_callback("last.ckpt")]): asked for memory, it frees caches and has the
    trainer save, after the batch. Import Lightning first."""
    class HoldfastCallback(_base()):
        def __init__(self):
            super().__init__()
            self.guard = Guard(path, (lambda _: None) if path is not None else None, **guard)

        def on_train_start(self, trainer, pl_module):
            self.guard.install()

        def on_train_batch_end(self, trainer, pl_module, *args, **kwargs):
            self.guard.step(trainer.save_checkpoint if path is not None else None)

        def on_train_end(self, trainer, pl_module):
            self.guard.close()

        def on_exception(self, trainer, pl_module, exception):
            self.guard.close()

    return HoldfastCallback()


class GuardHandler:
    """For Ignite and MONAI: GuardHandler("last.pt", save).attach(trainer), or one of MONAI's train_handlers.
    save(temporary path), as a Guard's."""

    def __init__(self, path=None, save=None, **guard):
        self.guard = Guard(path, save, **guard)

    @staticmethod
    def _event(name):
        events = getattr(sys.modules.get("ignite.engine"), "Events", None)
        return getattr(events, name, None) or name.lower()

    def attach(self, engine):
        engine.add_event_handler(self._event("STARTED"), self._started)
        engine.add_event_handler(self._event("ITERATION_COMPLETED"), self)
        engine.add_event_handler(self._event("COMPLETED"), self._completed)

    def _started(self, engine):
        self.guard.install()

    def __call__(self, engine):
        self.guard.step()

    def _completed(self, engine):
        self.guard.close()
