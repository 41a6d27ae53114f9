"""Portability notes that only show at run time: what a handler wrote, what the SDK spells, what the platform does."""

from types import FrameType

from voicelab.base.accepted_types import Cell
from voicelab.base.records import PortabilityNote
from voicelab.runtime.sdk import VERSION
from voicelab.runtime.tracebacks import file_name, users_frame

# rule: (written, the SDK's spelling, what happens to the unchanged code on the platform)
RULES: dict[str, tuple[str, str, str]] = {
    "interruptable": (
        "interruptable= is the Developer Guide's spelling",
        "interruptible=",
        "unchanged code raises TypeError on the platform",
    ),
    "text_event_data": (
        "TextEvent(data=...) is a spelling that the SDK lacks",
        "TextEvent(source='text', text='...')",
        "unchanged code raises TypeError on the platform",
    ),
    "event_text": (
        "event.text is a spelling that the SDK lacks",
        "event.data['text']",
        "unchanged code raises AttributeError on the platform",
    ),
    "add_test": (
        "context.add_test() is the Developer Guide's spelling",
        "context.experiment(name, variants, conversion_metrics=[...], stop={{...}})",
        "works, with a DeprecationWarning",
    ),
    "get_test": (
        "context.get_test() is the Developer Guide's spelling",
        "context.get_experiment(name)",
        "works, deprecated",
    ),
    "add_outcome": (
        "context.add_outcome() is deprecated",
        "conversion_metrics=[...] in context.experiment(), and metrics.counter(...)",
        "works, with a DeprecationWarning",
    ),
    "get_outcome_default": (
        "context.get_outcome(name, default) has a default",
        "context.get_outcome(name), after context.add_outcome(name, type) in StartEvent",
        "unchanged code raises TypeError on the platform",
    ),
    "undeclared_outcome": (
        "outcome {name!r} is set without having been declared",
        "context.add_outcome({name!r}, type) in StartEvent, or metrics.gauge(...)",
        "unchanged code raises ValueError on the platform",
    ),
    "rate_above_one": (
        "outcome {name!r} is above 1",
        "one value a session: a sum is not a rate, the analysis averages it over sessions",
        "works; read it as a sum",
    ),
    "background_task_name": (
        "create_task(background_task_name=) is the Developer Guide's spelling",
        "create_task(..., name=...)",
        "unchanged code raises TypeError on the platform",
    ),
    "unnamed_task": (
        "create_task() has no name",
        "create_task(..., name='lookup')",
        "the platform's debugger shows a random id instead of a name",
    ),
    "positional_stop": (
        "the stop dict is passed by position, where the SDK expects a description",
        "stop={{...}} by name",
        "the stop rule is silently ignored, here as on the platform: the test never stops",
    ),
    "weights_sum": (
        "the weights of test {name!r} sum to {total:g}",
        "weights are relative",
        "works; shares are weight / sum",
    ),
    "default_not_a_variant": (
        "the stop default {default!r} of test {name!r} is none of its variants",
        "a default from the variants",
        "after the stop every session gets a variant that was never tested",
    ),
    "unmet_max_iterations": (
        "max_iterations of test {name!r} is {value!r}, which can't be met",
        "{why}",
        "accepted; here the test never stops by it",
    ),
    "unmet_max_confidence": (
        "max_confidence of test {name!r} is {value!r}, which can't be met",
        "{why}",
        "accepted, and read as {value:g} percent; here the test never stops by it",
    ),
    "metric_after_end": (
        "metric {name!r} is recorded when the session has ended",
        "metrics before the end, such as before yield StopEvent(...)",
        "counted here; what the platform lets through after the end names no metrics, so that it may be lost",
    ),
    "audio_needs_url": (
        "AudioEvent({path!r}) names a file",
        "an HTTP(S) URL",
        "the platform can't play a local file",
    ),
    "blocking_call": (
        "{call} blocks the whole conversation",
        "await asyncio.sleep(...), or await asyncio.to_thread(function, ...) for blocking work",
        "on the platform, too, nothing is heard or said meanwhile",
    ),
    "slow_set_up": (
        "{call} held the conversation up while its library was set up (modules, certificates of TLS)",
        "one client for all sessions, made where the file is loaded",
        "works; the first session of a process waits there too",
    ),
    "awaited_call": (
        "{call} is awaited, and its library held the conversation up all the same",
        "await asyncio.to_thread(function, ...) if it goes on like that",
        "works; if it was the library's first call, the next will be faster",
    ),
    "random_import": (
        "a function of random was imported by name before the session began",
        "import random, and call random.random()",
        "works; here the run can't be repeated by its seed",
    ),
    "process_changed": (
        "{name} was replaced while the session ran, for the whole process; here it is itself again",
        "unittest.mock.patch(...), which takes back what it replaces; patches={{...}} of vl.run and vl.simulate",
        "every other session of the process meets the replacement",
    ),
    "shared_generator": (
        "{name} is one random generator for all sessions",
        "random.random(), or a generator made inside the handler",
        "works; here the run can't be repeated by its seed",
    ),
}


def make_note(rule: str, frame: FrameType | None, **facts: Cell) -> PortabilityNote:
    """Return the note of a rule for the user's line that a frame is at, or was called from.

    Args:
        rule: A key of `RULES`.
        frame: Where the rule was found; None if no line is known.
        facts: What the rule's texts name.
    """
    frame = users_frame(frame)
    written, sdk, platform = (text.format(**facts) for text in RULES[rule])
    file, line = (file_name(frame.f_code.co_filename), frame.f_lineno) if frame else ("handler", 0)
    return PortabilityNote(file, line, rule, written, f"primfunctions {VERSION}: {sdk}", platform)
