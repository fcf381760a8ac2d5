"""What an import answers."""

from pydantic import ConfigDict, Field

from webcommon.api.schemas import ResponseBody


class ImportResult(ResponseBody):
    """The rows that were imported."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rows": 4, "imported": {"video": 1, "tag": 2, "mine": 1}}]}
    )

    rows: int = Field(description="Rows of the import.")
    imported: dict[str, int] = Field(description="Those of each kind that were stored.")
