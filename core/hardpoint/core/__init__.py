"""Authoring and compiling: tasks and workflows in, a checked and frozen graph out."""

from hardpoint.core.checks import check_compiled
from hardpoint.core.compile_errors import CompileError, CompileErrors
from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.map_call import MapTask
from hardpoint.core.map_task import map_task
from hardpoint.core.promise import node
from hardpoint.core.task import Task, task
from hardpoint.core.types import Directory, File, Pickled
from hardpoint.core.workflow import Workflow, compile_workflow, workflow
from hardpoint.core.workflow_inputs import InputError
from hardpoint.plugin_api import Cache, Resources, Retry, Secret

__all__ = [
    "Cache",
    "CompileError",
    "CompileErrors",
    "CompiledWorkflow",
    "Directory",
    "File",
    "InputError",
    "MapTask",
    "Pickled",
    "Resources",
    "Retry",
    "Secret",
    "Task",
    "Workflow",
    "check_compiled",
    "compile_workflow",
    "map_task",
    "node",
    "task",
    "workflow",
]
