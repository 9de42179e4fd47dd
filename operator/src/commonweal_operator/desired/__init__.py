"""What a department's namespace shall hold. Pure: the same inputs give the same bytes, and nothing here reads a cluster, a clock or chance."""

from commonweal_operator.desired.department import NamespaceContent, department_children
from commonweal_operator.desired.manifest import Child, Stage
from commonweal_operator.desired.platform import Images, PlatformConfig

__all__ = ["Child", "Images", "NamespaceContent", "PlatformConfig", "Stage", "department_children"]
