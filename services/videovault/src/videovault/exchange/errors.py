"""Why an import is refused."""

from webcommon.api.problems import InvalidRequest


class InvalidImport(InvalidRequest):
    """422: the lines are not those of an export; nothing was changed."""

    title = "This is no export, or not a whole one"
    slug = "invalid-import"
