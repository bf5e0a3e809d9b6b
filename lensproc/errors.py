"""What can go wrong, said in one line: what, which file, which plugin, what to do."""

from __future__ import annotations


class LensprocError(Exception):
    """Base of every error that lensproc raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, with the value seen and the value expected.
    file : str, optional
        Base name of the file concerned.
    plugin : str, optional
        ``package==version`` of the plugin concerned.
    remedy : str, optional
        What the user can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | None = None,
        plugin: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.file = file
        self.plugin = plugin
        self.remedy = remedy

    def __str__(self) -> str:
        line = f"{self.file}: {self.what}" if self.file else self.what
        if self.plugin:
            line += f" [{self.plugin}]"
        if self.remedy:
            line += f"; {self.remedy}"
        return line

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword-only parts, so that worker processes can hand errors back."""
        return _rebuild, (type(self), self.what, self.file, self.plugin, self.remedy)

    def about(self, file: str) -> LensprocError:
        """Return the same error naming `file`, unless it names one already."""
        if self.file:
            return self
        return type(self)(self.what, file=file, plugin=self.plugin, remedy=self.remedy)


def _rebuild(
    kind: type[LensprocError], what: str, file: str | None, plugin: str | None, remedy: str | None
) -> LensprocError:
    return kind(what, file=file, plugin=plugin, remedy=remedy)


class InputError(LensprocError):
    """A file, or an image in it, that lensproc cannot use."""


class OutputError(LensprocError):
    """A result that could not be written."""


class UsageError(LensprocError):
    """Options, recipes or calls that contradict themselves (exit code 2)."""


class PluginError(LensprocError):
    """A plugin that is missing, blocked, broken, or that broke its contract."""


class WeightsError(PluginError):
    """Weights or a calibration whose hash is not the one that the manifest names."""
