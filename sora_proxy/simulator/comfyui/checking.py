"""Checking: checks a graph as ComfyUI does before it queues a job, and returns the same error messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.catalogue import CATALOGUE, Input
from sora_proxy.simulator.comfyui.versions import Change, Version

MAX_SHOWN_CHOICES = 20

Graph = dict[str, Any]
Error = dict[str, Any]


class Rejected(Exception):
    """A submit that is answered with status 400."""

    def __init__(self, kind: str, message: str, details: str = "", extra: Mapping[str, Any] | None = None) -> None:
        """Store the fields of the error."""
        super().__init__(kind)
        self.error = {"type": kind, "message": message, "details": details, "extra_info": dict(extra or {})}
        self.node_errors: dict[str, Any] = {}


class Unreadable(Exception):
    """A request that ComfyUI can't read and answers with status 500."""


@dataclass(slots=True)
class Checked:
    """The result of a check: the output nodes that can be executed, and the errors of the other ones, by node."""

    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Check:
    """The check of one graph; `files` are the names of the files by folder. The check changes the graph: a string
    becomes a number if the node needs a number."""

    graph: Graph
    files: Mapping[str, list[str]]
    version: Version
    _errors: dict[str, list[Error]] = field(default_factory=dict)  # the errors of the current output, by node
    _path: list[str] = field(default_factory=list)  # the nodes that are being checked

    def run(self) -> Checked:
        """Return the output nodes that can be executed. Raises Rejected if the graph is refused, or Unreadable."""
        self._check_classes()
        outputs = [node_id for node_id, node in self.graph.items() if CATALOGUE[node["class_type"]].is_output]
        if not outputs:
            raise Rejected("prompt_no_outputs", "Prompt has no outputs")
        checked, details = Checked(), []
        for output in outputs:
            self._errors, self._path = {}, []
            if self._check_output(output):
                checked.outputs.append(output)
            else:
                details += [f"{each['message']}: {each['details']}" for each in self._errors.get(output, [])]
                self._note(output, checked.node_errors)
        if not checked.outputs:
            rejected = Rejected(
                "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(details)
            )
            rejected.node_errors = checked.node_errors
            raise rejected
        return checked

    def _check_classes(self) -> None:
        for node_id, node in self.graph.items():
            if not isinstance(node, dict) and self.version.has(Change.missing_node_type):
                raise Unreadable  # the body may be a file in the editor's format
            name = node.get("class_type") if isinstance(node, dict) else None
            if name is None:
                raise self._no_class(node_id)
            if name not in CATALOGUE:
                raise self._unknown_class(node_id, name)

    def _no_class(self, node_id: str) -> Rejected:
        details = f"Node ID '#{node_id}'"
        if not self.version.has(Change.missing_node_type):
            return Rejected(
                "invalid_prompt", "Cannot execute because a node is missing the class_type property.", details
            )
        message = f"Node 'ID #{node_id}' has no class_type. The workflow may be corrupted or a custom node is missing."
        extra = {"node_id": node_id, "class_type": None, "node_title": None}
        return Rejected("missing_node_type", message, details, extra)

    def _unknown_class(self, node_id: str, name: str) -> Rejected:
        details = f"Node ID '#{node_id}'"
        if not self.version.has(Change.missing_node_type):
            return Rejected("invalid_prompt", f"Cannot execute because node {name} does not exist.", details)
        title = (self.graph[node_id].get("_meta") or {}).get("title", name)
        message = f"Node '{title}' not found. The custom node may not be installed."
        extra = {"node_id": node_id, "class_type": name, "node_title": title}
        return Rejected("missing_node_type", message, details, extra)

    def _check_output(self, output: str) -> bool:
        try:
            return self._check_node(output)
        except (KeyError, IndexError) as error:
            self._errors[output] = [_exception("Exception when validating node", error)]
            return False

    def _note(self, output: str, node_errors: dict[str, Any]) -> None:
        """Add the errors that were found for an output node."""
        for node_id, errors in self._errors.items():
            if errors:
                entry = {"errors": errors, "dependent_outputs": [], "class_type": self.graph[node_id]["class_type"]}
                node_errors.setdefault(node_id, entry)["dependent_outputs"].append(output)

    def _check_node(self, node_id: str) -> bool:
        """Check a node and its dependencies. Each node is checked once per output node."""
        if node_id in self._path:
            return self._cycle(node_id)
        if node_id in self._errors:
            return not self._errors[node_id]
        node = self.graph[node_id]
        given = node.setdefault("inputs", {})
        own: list[Error] = []
        self._path.append(node_id)
        fine = [self._check_input(name, each, given, own) for name, each in _inputs(node).items()]
        self._path.pop()
        self._errors.setdefault(node_id, []).extend(own)
        return all(fine) and not self._errors[node_id]

    def _check_input(self, name: str, each: Input, given: dict[str, Any], errors: list[Error]) -> bool:
        about = {"input_name": name, "input_config": each.config(self.files, self.version)}
        if name not in given:
            errors.append(_error("required_input_missing", "Required input is missing", name, {"input_name": name}))
            return False
        if isinstance(given[name], list):
            return self._check_link(each, given[name], about, errors)
        found = self._value_error(each, given, about)
        errors += [found] if found else []
        return not found

    def _check_link(self, each: Input, link: list[Any], about: dict[str, Any], errors: list[Error]) -> bool:
        name = about["input_name"]
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            errors.append(_error("bad_linked_input", message, name, {**about, "received_value": link}))
            return False
        other, slot = link
        received = CATALOGUE[self.graph[other]["class_type"]].outputs[slot]
        if received != each.type:
            details = f"{name}, received_type({received}) mismatch input_type({each.type})"
            extra = {**about, "received_type": received, "linked_node": link}
            errors.append(_error("return_type_mismatch", "Return type mismatch between linked nodes", details, extra))
            return False
        try:
            return self._check_node(other)
        except (KeyError, IndexError) as error:
            extra = {**about, "exception_message": str(error), "linked_node": link}
            self._errors[other] = [_exception("Exception when validating inner node", error, extra)]
            self._path[self._path.index(other) :] = []
            return False

    def _cycle(self, node_id: str) -> bool:
        """Note an error for each node of a cycle, in versions that report cycles. Returns False."""
        nodes = self._path[self._path.index(node_id) :]
        if self.version.has(Change.dependency_cycle):
            names = [f"{each} ({self.graph[each]['class_type']})" for each in (*nodes, node_id)]
            for each in nodes:
                extra = {"node_id": each, "cycle_nodes": nodes}
                error = _error("dependency_cycle", "Dependency cycle detected", " -> ".join(names), extra)
                self._errors.setdefault(each, []).append(error)
        return False

    def _value_error(self, each: Input, given: dict[str, Any], about: dict[str, Any]) -> Error | None:
        """Convert the value of an input, in place. Returns the error of an invalid value, else None."""
        name = about["input_name"]
        value = given[name]
        if each.folder == "input":
            if value in self.files["input"]:
                return None
            details = f"{name} - Invalid image file: {value}"
            extra = {"input_name": name}
            return _error("custom_validation_failed", "Custom validation failed for node", details, extra)
        if each.type in _CONVERSIONS:
            try:
                given[name] = value = _CONVERSIONS[each.type](value)
            except (ValueError, TypeError) as error:
                message = f"Failed to convert an input value to a {each.type} value"
                extra = {**about, "received_value": value, "exception_message": str(error)}
                return _error("invalid_input_type", message, f"{name}, {value}, {error}", extra)
        about = {**about, "received_value": value}
        if "min" in each.options and value < each.options["min"]:
            message = f"Value {value} smaller than min of {each.options['min']}"
            return _error("value_smaller_than_min", message, name, about)
        if "max" in each.options and value > each.options["max"]:
            message = f"Value {value} bigger than max of {each.options['max']}"
            return _error("value_bigger_than_max", message, name, about)
        return self._choice_error(each, value, about)

    def _choice_error(self, each: Input, value: Any, about: dict[str, Any]) -> Error | None:
        choices = list(each.choices) or self.files.get(each.folder, [])
        if not each.is_choice or value in choices:
            return None
        many = len(choices) > MAX_SHOWN_CHOICES
        shown = f"(list of length {len(choices)})" if many else str(choices)
        extra = {**about, "input_config": None} if many else about
        return _error(
            "value_not_in_list", "Value not in list", f"{about['input_name']}: '{value}' not in {shown}", extra
        )


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str}


def _inputs(node: Mapping[str, Any]) -> Mapping[str, Input]:
    return CATALOGUE[node["class_type"]].inputs


def _error(kind: str, message: str, details: str, extra: Mapping[str, Any]) -> Error:
    return {"type": kind, "message": message, "details": details, "extra_info": dict(extra)}


def _exception(message: str, error: Exception, extra: Mapping[str, Any] | None = None) -> Error:
    where = {"exception_type": type(error).__name__, "traceback": ['  File "/opt/comfyui/execution.py", line 1\n']}
    return _error("exception_during_validation", message, str(error), {**(extra or {}), **where})
