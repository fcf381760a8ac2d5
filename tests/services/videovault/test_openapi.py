"""The OpenAPI document."""

from typing import Any

import pytest

from tests.services.videovault.library import settings_for
from videovault.main import create_app

VIDEO = "#/components/schemas/VideoBody"
WRITE = {"400", "401", "403", "413", "415", "422", "500", "503"}
PICTURE = {"200", "304", "401", "403", "404", "409", "422", "500", "503", "507"}

OPERATIONS = {
    ("get", "/v1/persistence"): ("read_persistence", {"200", "500", "503"}),
    ("post", "/v1/videos"): (
        "create_video",
        {"201", "400", "401", "403", "409", "413", "415", "422", "500", "503"},
    ),
    ("get", "/v1/videos"): ("list_videos", {"200", "401", "403", "422", "500", "503"}),
    ("get", "/v1/folders"): ("list_folders", {"200", "401", "403", "422", "500", "503"}),
    ("get", "/v1/tags"): ("count_tags", {"200", "401", "403", "422", "500", "503"}),
    ("get", "/v1/videos/{video_id}"): (
        "read_video",
        {"200", "304", "401", "403", "404", "422", "500", "503"},
    ),
    ("post", "/v1/videos/{video_id}/tags"): ("add_tags", {"200", "404", *WRITE}),
    ("delete", "/v1/videos/{video_id}/tags"): (
        "remove_tags",
        {"200", "401", "403", "404", "422", "500", "503"},
    ),
    ("get", "/v1/tags/aliases"): ("list_aliases", {"200", "401", "403", "422", "500", "503"}),
    ("put", "/v1/tags/aliases"): ("put_alias", {"200", "409", *WRITE}),
    ("delete", "/v1/tags/aliases"): ("delete_alias", {"204", "401", "403", "404", "422", "500", "503"}),
    ("get", "/v1/tags/parents"): ("list_parents", {"200", "401", "403", "422", "500", "503"}),
    ("put", "/v1/tags/parents"): ("put_parent", {"200", "409", *WRITE}),
    ("delete", "/v1/tags/parents"): ("delete_parent", {"204", "401", "403", "404", "422", "500", "503"}),
    ("post", "/v1/tags/bulk"): ("change_tags", {"200", *WRITE}),
    ("post", "/v1/tags/rename"): ("rename_tag", {"200", "404", "409", *WRITE}),
    ("put", "/v1/videos/by-path"): ("put_video", {"200", "201", *WRITE}),
    ("post", "/v1/videos/batch"): ("record_batch", {"200", "408", *WRITE}),
    ("get", "/v1/export"): ("export_library", {"200", "401", "403", "422", "500", "503"}),
    ("post", "/v1/import"): ("import_library", {"200", "408", *WRITE}),
    ("get", "/v1/duplicates"): ("list_duplicates", {"200", "401", "403", "422", "500", "503"}),
    ("post", "/v1/duplicates/prove"): ("prove_duplicates", {"202", *WRITE}),
    ("post", "/v1/duplicates/merge"): ("merge_duplicates", {"200", "404", "409", *WRITE}),
    ("post", "/v1/videos/bulk-delete"): ("bulk_delete_videos", {"200", *WRITE}),
    ("post", "/v1/videos/bulk-move"): ("bulk_move_videos", {"200", "409", *WRITE}),
    ("patch", "/v1/videos/{video_id}"): ("patch_video", {"200", "404", "412", *WRITE}),
    ("post", "/v1/videos/{video_id}/move"): ("move_video", {"200", "404", "409", *WRITE}),
    ("put", "/v1/videos/{video_id}/progress"): ("put_progress", {"200", "404", *WRITE}),
    ("get", "/v1/history"): ("list_history", {"200", "401", "403", "422", "500", "503"}),
    ("delete", "/v1/history"): ("delete_history", {"204", "401", "403", "500", "503"}),
    ("post", "/v1/history/mark"): ("mark_videos", {"200", *WRITE}),
    ("get", "/v1/continue-watching"): ("list_unfinished", {"200", "401", "403", "422", "500", "503"}),
    ("get", "/v1/saved-filters"): ("list_saved_filters", {"200", "401", "403", "422", "500", "503"}),
    ("post", "/v1/saved-filters"): ("create_saved_filter", {"201", "409", *WRITE}),
    ("put", "/v1/saved-filters/{filter_id}"): ("put_saved_filter", {"200", "404", *WRITE}),
    ("delete", "/v1/saved-filters/{filter_id}"): (
        "delete_saved_filter",
        {"204", "401", "403", "404", "422", "500", "503"},
    ),
    ("get", "/v1/playlists"): ("list_playlists", {"200", "401", "403", "422", "500", "503"}),
    ("post", "/v1/playlists"): ("create_playlist", {"201", "409", *WRITE}),
    ("patch", "/v1/playlists/{playlist_id}"): ("rename_playlist", {"200", "404", *WRITE}),
    ("delete", "/v1/playlists/{playlist_id}"): (
        "delete_playlist",
        {"204", "401", "403", "404", "409", "422", "500", "503"},
    ),
    ("get", "/v1/playlists/{playlist_id}/items"): (
        "list_playlist_items",
        {"200", "401", "403", "404", "422", "500", "503"},
    ),
    ("post", "/v1/playlists/{playlist_id}/items"): (
        "add_playlist_item",
        {"200", "201", "404", "409", *WRITE},
    ),
    ("patch", "/v1/playlists/{playlist_id}/items/{item_id}"): ("move_playlist_item", {"200", "404", *WRITE}),
    ("delete", "/v1/playlists/{playlist_id}/items/{item_id}"): (
        "remove_playlist_item",
        {"204", "401", "403", "404", "422", "500", "503"},
    ),
    ("put", "/v1/videos/{video_id}/mine"): ("put_mine", {"200", "404", *WRITE}),
    ("get", "/v1/videos/{video_id}/changes"): (
        "list_changes",
        {"200", "401", "403", "404", "422", "500", "503"},
    ),
    ("get", "/v1/videos/{video_id}/tracks"): (
        "list_tracks",
        {"200", "401", "403", "404", "422", "500", "503"},
    ),
    ("get", "/v1/videos/{video_id}/tracks/{n}.vtt"): (
        "read_track",
        {"200", "304", "401", "403", "404", "422", "500", "503"},
    ),
    ("post", "/v1/videos/{video_id}/playback"): (
        "begin_playback",
        {"200", "401", "403", "404", "422", "500", "503"},
    ),
    ("get", "/v1/videos/{video_id}/stream"): (
        "stream_video",
        {"200", "206", "304", "401", "403", "404", "412", "416", "422", "500", "503"},
    ),
    ("get", "/v1/videos/{video_id}/thumbnail"): ("read_thumbnail", PICTURE),
    ("put", "/v1/videos/{video_id}/thumbnail"): ("choose_thumbnail", {"200", "404", *WRITE}),
    ("get", "/v1/videos/{video_id}/sprite"): ("read_sprite", PICTURE),
    ("get", "/v1/videos/{video_id}/sprite.vtt"): ("read_sprite_places", PICTURE),
    ("post", "/v1/operations/{operation_id}/undo"): (
        "undo_operation",
        {"200", "401", "403", "404", "409", "422", "500", "503"},
    ),
    ("post", "/v1/sync"): ("sync_device", {"200", "410", *WRITE} - {"403"}),
    ("get", "/v1/sync/refused"): ("list_refused_operations", {"200", "401", "422", "500", "503"}),
    ("delete", "/v1/sync/refused/{op_id}"): (
        "dismiss_refused_operation",
        {"204", "401", "404", "422", "500", "503"},
    ),
    ("get", "/v1/roots"): ("list_roots", {"200", "401", "403", "422", "500", "503"}),
    ("post", "/v1/roots"): ("create_root", {"201", "409", *WRITE}),
    ("delete", "/v1/roots/{root_id}"): ("delete_root", {"204", "401", "403", "404", "422", "500", "503"}),
    ("post", "/v1/roots/{root_id}/relocate"): ("relocate_root", {"200", "404", "409", *WRITE}),
    ("post", "/v1/scans"): ("begin_scan", {"200", "202", "404", "409", *WRITE}),
    ("get", "/v1/scans/{scan_id}"): ("read_scan", {"200", "401", "403", "404", "422", "500", "503"}),
    ("get", "/v1/scans/{scan_id}/events"): ("follow_scan", {"200", "401", "403", "404", "422", "500", "503"}),
    ("delete", "/v1/scans/{scan_id}"): ("cancel_scan", {"204", "401", "403", "404", "422", "500", "503"}),
    ("post", "/v1/videos/purge-missing"): ("purge_missing_videos", {"200", *WRITE}),
    ("delete", "/v1/videos/{video_id}"): (
        "delete_video",
        {"200", "401", "403", "404", "422", "500", "503"},
    ),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of a service without a database, which it does not depend on."""
    return create_app(settings_for(None)).openapi()


def test_every_operation_is_named_and_lists_its_answers(document: dict[str, Any]) -> None:
    found = {
        (method, path): (operation["operationId"], set(operation["responses"]))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1")
    }

    assert found == OPERATIONS


def media_type(path: str, status: str) -> str:
    """The media type of a response to GET, or of a refusal."""
    if status >= "400":
        return "application/problem+json"
    name = path.rpartition("/")[2]
    if name.endswith(".vtt"):
        return "text/vtt"
    others = {
        "events": "text/event-stream",
        "stream": "video/*",
        "export": "application/x-ndjson",
    } | dict.fromkeys(("thumbnail", "sprite"), "image/jpeg")
    return others.get(name, "application/json")


def test_success_and_problems_are_typed(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if path.startswith("/v1") and status not in {"204", "304"}:
                    is_json = method != "get" and status < "400"
                    media = "application/json" if is_json else media_type(path, status)
                    assert response["content"][media]["schema"], (path, status)
    created = document["paths"]["/v1/videos"]["post"]["responses"]["201"]
    assert created["content"]["application/json"]["schema"] == {"$ref": VIDEO}
    assert set(created["headers"]) == {"ETag", "Location"}


def test_operations_that_need_a_token_say_so(document: dict[str, Any]) -> None:
    assert "security" not in document["paths"]["/v1/persistence"]["get"]
    for method, path in OPERATIONS:
        if path != "/v1/persistence":
            assert document["paths"][path][method]["security"] == [{"AccessToken": []}]


def test_an_open_library_describes_no_tokens() -> None:
    document = create_app(settings_for(None, access="open")).openapi()

    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= len(OPERATIONS)
    assert all("security" not in operation for operation in operations)
    assert "securitySchemes" not in document["components"]


def test_bodies_and_filters_come_with_examples(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("NewVideo", "VideoBody", "Persistence"):
        assert schemas[name]["examples"]
    parameters = {entry["name"] for entry in document["paths"]["/v1/videos"]["get"]["parameters"]}
    assert parameters == {
        *("limit", "cursor", "sort", "q", "tag", "folder", "mime_type", "created_after", "missing"),
        *("watched", "favourite", "min_rating"),
        *("min_duration", "max_duration", "min_size", "max_size"),
    }
