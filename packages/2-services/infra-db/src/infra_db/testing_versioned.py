"""What every database must do for versioned rows; reached as `infra_db.testing`."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import MetaData, String, delete, select, true, update
from sqlalchemy.orm import Mapped, mapped_column

from infra_db.errors import RecordNotFound, StaleVersion, UniqueViolation
from infra_db.models import Base, IdMixin, SoftDeleteMixin, TimestampMixin
from infra_db.types import FoldedStr
from infra_db.versioned import VersionedMixin
from infra_errors import InfraError, ValidationError
from infra_json import apply_patch, canonicalize

if TYPE_CHECKING:
    from infra_db.versioned import VersionedRepository

__all__ = ["Article", "VersionedRepositoryContract"]


class _ContractBase(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Article(IdMixin, TimestampMixin, VersionedMixin, SoftDeleteMixin, _ContractBase):
    """The model of the contract."""

    __tablename__ = "infra_db_contract_article"
    __unversioned__: ClassVar[frozenset[str]] = frozenset({"views"})

    slug: Mapped[str] = mapped_column(FoldedStr(50), unique=True)
    title: Mapped[str] = mapped_column(String(100), default="")
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    views: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(String(20), default="draft")


class VersionedRepositoryContract:
    """What every versioned repository of `Article` must do."""

    async def make_repository(self, **options: Any) -> VersionedRepository[Article, UUID]:
        """Return an empty repository of `Article`; `options` are its class attributes."""
        pytest.fail("override make_repository(self, **options)")

    async def test_creating_makes_version_1_with_a_history_of_one(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "mmlu", "title": "one"}, by="ann")
        (first,) = await articles.get_version_history(made.id)
        assert (made.version, first.version, first.operation) == (1, 1, "create")
        assert first.recorded_by == "ann"
        assert first.content == {"slug": "mmlu", "title": "one", "data": {}}
        assert hashlib.sha256(canonicalize(first.content)).hexdigest() == first.sha256
        with pytest.raises(UniqueViolation) as caught:
            await articles.create({"slug": "MMLU"})
        assert caught.value.fields == ("slug",)

    async def test_the_latest_version_is_read_and_older_ones_on_asking(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "title": "one", "data": {"n": [1]}})
        await articles.update(made.id, {"title": "two", "data": {"n": [1, 2]}})
        await articles.update(made.id, {"title": "three"})
        now = await articles.require(made.id)
        assert (now.version, now.title) == (3, "three")
        first = await articles.get_by_id(made.id, version=1)
        assert first is not None
        assert (first.version, first.title, first.data) == (1, "one", {"n": [1]})
        assert (first.id, first.slug, first.created_at) == (made.id, "a", made.created_at)
        assert await articles.get_by_id(made.id, version=4) is None
        assert await articles.get_by_id(uuid4(), version=1) is None

    async def test_a_time_in_between_finds_the_version_of_that_time(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "title": "one"})
        await asyncio.sleep(0.002)
        await articles.update(made.id, {"title": "two"})
        one, two = await articles.get_version_history(made.id)
        for moment, expected in (
            (one.recorded_at - timedelta(microseconds=1), None),
            (one.recorded_at, "one"),
            (two.recorded_at - timedelta(microseconds=1), "one"),
            (two.recorded_at, "two"),
            (two.recorded_at + timedelta(days=1), "two"),
        ):
            found = await articles.get_by_id(made.id, as_of=moment)
            assert expected == (None if found is None else found.title)
        for wrong in ({"as_of": one.recorded_at.replace(tzinfo=None)}, {"version": 0}):
            with pytest.raises(ValidationError):
                await articles.get_by_id(made.id, **wrong)
        with pytest.raises(ValidationError):
            await articles.get_by_id(made.id, version=1, as_of=one.recorded_at)

    async def test_fifty_parallel_updates_make_versions_without_gap(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a"})
        await asyncio.gather(*(articles.update(made.id, {"title": f"t{i}"}) for i in range(50)))
        history = await articles.get_version_history(made.id)
        assert list(range(1, 52)) == [info.version for info in history]
        assert {f"t{i}" for i in range(50)} == {info.content["title"] for info in history[1:]}
        times = [info.recorded_at for info in history]
        assert sorted(times) == times
        assert (await articles.require(made.id)).title == history[-1].content["title"]

    async def test_of_two_writers_with_one_version_one_is_told(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a"})
        outcomes = await asyncio.gather(
            *(articles.update(made.id, {"title": t}, expected_version=1) for t in "xy"),
            return_exceptions=True,
        )
        (stale,) = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert isinstance(stale, StaleVersion)
        assert (stale.expected, stale.actual) == (1, 2)
        assert len(await articles.get_version_history(made.id)) == 2

    async def test_history_tells_what_changed_and_comes_in_parts(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "data": {"k": 1}})
        await articles.update(made.id, {"title": "t", "data": {"k": 2}}, by="bob")
        await articles.update(made.id, {"title": "t"})
        whole = await articles.get_version_history(made.id)
        assert [("data", "slug", "title"), ("data", "title"), ()] == [v.changed for v in whole]
        assert [None, "bob", None] == [info.recorded_by for info in whole]
        assert {"op": "replace", "path": "/data/k", "value": 2} in whole[1].patch
        content: Any = {}
        for info in whole:
            content = apply_patch(content, info.patch)
            assert content == info.content
        parts = [
            (await articles.get_version_history(made.id, after=n, limit=1))[0] for n in range(3)
        ]
        assert whole == parts
        assert await articles.get_version_history(made.id, after=3) == []

    async def test_two_versions_are_compared_in_either_direction(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "title": "x"})
        await articles.update(made.id, {"title": "y"})
        assert await articles.diff(made.id, 1, 2) == [
            {"op": "replace", "path": "/title", "value": "y"}
        ]
        assert await articles.diff(made.id, 2, 1) == [
            {"op": "replace", "path": "/title", "value": "x"}
        ]
        assert await articles.diff(made.id, 2, 2) == []
        with pytest.raises(RecordNotFound):
            await articles.diff(made.id, 1, 9)

    async def test_reverting_makes_a_new_version_of_the_old_content(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "title": "x", "data": {"k": [1]}})
        await articles.update(made.id, {"slug": "b", "title": "y", "data": {}})
        with pytest.raises(StaleVersion):
            await articles.revert(made.id, 1, expected_version=1)
        back = await articles.revert(made.id, 1, by="ann")
        assert (back.version, back.slug, back.title, back.data) == (3, "a", "x", {"k": [1]})
        history = await articles.get_version_history(made.id)
        assert history[0].sha256 == history[2].sha256
        assert history[2].recorded_by == "ann"
        with pytest.raises(RecordNotFound):
            await articles.revert(made.id, 9)

    async def test_a_status_changes_without_a_version(self) -> None:
        articles = await self.make_repository(transitions={"draft": frozenset({"live"})})
        made = await articles.create({"slug": "a"})
        live = await articles.update_status(made.id, "live", expected_version=1)
        assert (live.status, live.version) == ("live", 1)
        with pytest.raises(ValidationError) as caught:
            await articles.update_status(made.id, "draft")
        assert caught.value.code == "db.illegal_transition"
        assert (await articles.update(made.id, {"views": 5})).version == 1
        assert (await articles.update(made.id, {"views": 6, "title": "t"})).version == 2
        old = await articles.get_by_id(made.id, version=1)
        assert old is not None
        assert (old.title, old.status, old.views) == ("", "live", 6)

    async def test_history_survives_deletion_and_goes_on_after_it(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "title": "x"})
        assert await articles.delete(made.id, by="ann")
        assert await articles.get_by_id(made.id) is None
        assert (await articles.restore(made.id, by="bob")).version == 3
        assert await articles.delete(made.id, hard=True, by="cid")
        assert await articles.delete(made.id, hard=True) is False
        history = await articles.get_version_history(made.id)
        assert ["create", "delete", "restore", "delete"] == [info.operation for info in history]
        assert [None, "ann", "bob", "cid"] == [info.recorded_by for info in history]
        assert await articles.get_by_id(made.id, version=4) is None
        gone = await articles.get_by_id(made.id, version=4, include_deleted=True)
        assert gone is not None
        assert (gone.title, gone.deleted_at) == ("x", history[3].recorded_at)
        first = await articles.get_by_id(made.id, version=1)
        assert first is not None
        assert (first.created_at, first.status) == (history[0].recorded_at, "draft")
        await articles.add(Article(id=made.id, slug="a", title="again"))
        assert (await articles.require(made.id)).version == 5
        assert (await articles.get_version_history(made.id))[-1].operation == "create"

    async def test_a_slug_is_found_whatever_its_case_and_a_former_one_is_not(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "Straße"})
        found = await articles.get_by_slug("STRASSE")
        assert found is not None
        assert found.id == made.id
        await articles.update(made.id, {"slug": "road"})
        assert await articles.get_by_slug("strasse") is None
        assert await articles.get_by_slug("unknown") is None

    async def test_a_page_holds_the_latest_version_of_each(self) -> None:
        articles = await self.make_repository()
        for name in "abc":
            made = await articles.create({"slug": name})
            for number in (2, 3):
                await articles.update(made.id, {"title": f"{name}{number}"})
        page = await articles.page(limit=2, sort=["slug"], count_cap=100)
        assert [("a3", 3), ("b3", 3)] == [(one.title, one.version) for one in page.items]
        assert page.count == 3
        with pytest.raises(ValidationError):
            await articles.page(titel="x")

    async def test_a_version_that_is_written_stays_as_it_is(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a", "title": "x"})
        versions = articles.model.metadata.tables["infra_db_contract_article_versions"]
        for forging in (
            update(versions).where(true()).values(content="{}"),
            delete(versions).where(true()),
        ):
            with pytest.raises(InfraError):
                await articles.db.execute(forging)
        (row,) = await articles.db.fetch_all(select(versions.c.content))
        assert row[0] == canonicalize({"slug": "a", "title": "x", "data": {}}).decode()
        assert len(await articles.get_version_history(made.id)) == 1

    async def test_what_is_rolled_back_leaves_no_version(self) -> None:
        articles = await self.make_repository()
        made = await articles.create({"slug": "a"})
        with pytest.raises(KeyError):  # noqa: PT012  # the block is the case
            async with articles.db.transaction():
                await articles.update(made.id, {"title": "lost"})
                raise KeyError
        assert [1] == [info.version for info in await articles.get_version_history(made.id)]
        assert (await articles.update(made.id, {"title": "kept"})).version == 2

    async def test_many_rows_are_inserted_each_with_its_version(self) -> None:
        articles = await self.make_repository()
        rows = [{"slug": f"s{i}"} for i in range(5)]
        assert await articles.insert_many(rows, by="ann") == 5
        for article in await articles.get_all():
            (info,) = await articles.get_version_history(article.id)
            assert ("create", "ann") == (info.operation, info.recorded_by)
