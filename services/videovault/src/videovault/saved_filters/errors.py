"""Why a call about a saved filter is refused."""

from webcommon.api.problems import Conflict, NotFound


class SavedFilterNotFound(NotFound):
    """404: the caller has no saved filter of that id."""

    title = "There is no such saved filter"
    slug = "saved-filter-not-found"


class TooManySavedFilters(Conflict):
    """409: the caller has as many as can be."""

    title = "You have too many saved filters"
    slug = "too-many-saved-filters"
