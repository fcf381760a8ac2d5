"""The refusals of the administration of accounts."""

from webcommon.api.problems import Forbidden


class CannotModifySelf(Forbidden):
    """403: administrators can neither disable their own account nor remove its second factor."""

    title = "This is your own account"
    slug = "cannot-modify-self"

    def __init__(self) -> None:
        super().__init__("Ask another administrator to do it.")
