"""`/v1/products`. Everybody may read active products; admins read all, and write."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from dbcommon.session import DatabaseDep, SessionDep
from payment.dependencies import OPTIONAL_TOKEN, AdminDep, VisitorDep, is_admin
from payment.products import service
from payment.products.errors import ProductNotFound, SkuTaken, StockReserved
from payment.products.schemas import NewProduct, Product, ProductChange
from payment.schemas import read_product_reference
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(prefix="/v1/products", tags=["products"])

ReferenceParameter = Annotated[
    str, Path(min_length=1, max_length=64, description="The id or the SKU of a product.")
]


@router.post(
    "",
    operation_id="create_product",
    summary="Offer a product",
    status_code=201,
    responses=problem_responses(Unauthorized, Forbidden, SkuTaken),
)
async def create_product(new: NewProduct, _admin: AdminDep, db: SessionDep, response: Response) -> Product:
    """Admins only. The price has exactly the currency's decimals."""
    product = await service.create_product(db, new)
    response.headers["Location"] = f"/v1/products/{product.id}"
    return product


@router.get(
    "",
    operation_id="list_products",
    summary="The catalogue",
    response_model=Page[Product],
    responses=problem_responses(Unauthorized),
    openapi_extra=OPTIONAL_TOKEN,
)
@fast_path
async def list_products(
    visitor: VisitorDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    active: Annotated[
        bool | None, Query(description="Only active ones, or only inactive ones (admins).")
    ] = None,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Newest first. Needs no token. Inactive products are shown to admins only."""
    return await service.list_products(
        database, cursors, as_admin=is_admin(visitor), active=active, limit=limit, cursor=cursor
    )


@router.get(
    "/{product}",
    operation_id="read_product",
    summary="One product",
    responses=problem_responses(Unauthorized, ProductNotFound),
    openapi_extra=OPTIONAL_TOKEN,
)
async def read_product(product: ReferenceParameter, visitor: VisitorDep, database: DatabaseDep) -> Product:
    """Needs no token. Inactive products are shown to admins only."""
    return await service.read_product(database, read_product_reference(product), as_admin=is_admin(visitor))


@router.patch(
    "/{product}",
    operation_id="change_product",
    summary="Change a product",
    responses=problem_responses(Unauthorized, Forbidden, ProductNotFound, SkuTaken, StockReserved),
)
async def change_product(
    product: ReferenceParameter, change: ProductChange, _admin: AdminDep, db: SessionDep
) -> Product:
    """Admins only. Existing orders keep their name and price."""
    return await service.change_product(db, read_product_reference(product), change)


@router.delete(
    "/{product}",
    operation_id="delete_product",
    summary="Take a product out of the catalogue",
    status_code=204,
    responses=problem_responses(Unauthorized, Forbidden, ProductNotFound),
)
async def delete_product(product: ReferenceParameter, _admin: AdminDep, db: SessionDep) -> None:
    """Admins only. Orders keep their lines of it."""
    await service.delete_product(db, read_product_reference(product))
