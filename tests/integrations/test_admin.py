"""The Django admin: who may enter, how a key is replaced, and what nobody may change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry as AuditEntry
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from costcenters.admin import NewestLineItems
from costcenters.line_items import replace_window
from costcenters.models import CostCenter, CostLineItem, SeatPrice
from costcenters.records import LineItem, Window
from finops.secrets import MASK
from integrations import connections, notices
from integrations.models import Integration
from tests.connecting import connect, work
from tests.factories import CostCenterFactory, SavedViewFactory, UserFactory

pytestmark = pytest.mark.django_db
OWN_APPS = ("finops", "costcenters", "integrations", "auth", "auditlog", "axes")
NEW_KEY = "crsr_theNewKeyOfTheSameTeam0001"


@pytest.fixture
def boss(client):
    """Somebody of the group Admin, who is not `is_staff`."""
    client.user = UserFactory(role="Admin")
    client.force_login(client.user)
    return client


@pytest.fixture
def integration(boss, api) -> Integration:
    return connect(boss, api)


def change_url(integration: Integration) -> str:
    return reverse("admin:integrations_integration_change", args=[integration.pk])


class TestEntrance:
    def test_the_group_admin_enters_without_being_staff(self, boss):
        assert not boss.user.is_staff
        assert "Onebill administration" in boss.get("/admin/").content.decode()

    @pytest.mark.parametrize("role", ["Viewer", "Editor", ""])
    def test_others_do_not_even_when_they_are_staff(self, client, role):
        client.force_login(UserFactory(role=role, is_staff=True))

        assert client.get("/admin/").status_code == 403
        assert client.get("/admin/integrations/integration/").status_code == 403

    def test_there_is_one_log_in(self, client):
        response = client.get("/admin/integrations/integration/", follow=True)

        assert response.redirect_chain[-1][0] == "/accounts/login/?next=/admin/integrations/integration/"

    def test_every_page_of_it_opens(self, boss, integration):
        work(integration)
        for model in admin.site._registry:
            if model._meta.app_label not in OWN_APPS:
                continue
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            assert boss.get(reverse(f"{name}_changelist")).status_code == 200, name
            assert boss.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200, name
            first = model._default_manager.order_by("pk").first()
            if first is not None:
                assert boss.get(reverse(f"{name}_change", args=[first.pk])).status_code == 200, name


class TestReplacingTheKey:
    def test_no_page_holds_the_key_its_token_or_its_fingerprint(self, boss, integration, api):
        for url in (change_url(integration), reverse("admin:integrations_integration_changelist")):
            page = boss.get(url).content.decode()
            assert integration.key_hint in page
            for secret in (api.api_key, integration.credentials.token, integration.key_fingerprint):
                assert secret not in page

    def test_a_good_key_is_tried_stored_and_recorded_without_its_text(self, boss, integration, api):
        work(integration)
        notices.needs_attention(integration, "refused", datetime.now(UTC))
        api.add_key(NEW_KEY)
        api.revoke()

        response = boss.post(change_url(integration), {"new_admin_api_key": f" {NEW_KEY} "})

        assert response.status_code == 302
        integration.refresh_from_db()
        assert integration.credentials.open()["admin_api_key"] == NEW_KEY
        assert integration.key_hint == f"…{NEW_KEY[-4:]}"
        assert integration.attention == ""
        assert CostCenter.objects.get().status == CostCenter.Status.ACTIVE
        assert NEW_KEY not in str(LogEntry.objects.values_list("change_message", "object_repr"))
        entry = AuditEntry.objects.get_for_object(integration).first()
        assert entry is not None
        assert entry.changes == {"key_hint": [f"…{api.api_key[-4:]}", f"…{NEW_KEY[-4:]}"]}
        assert entry.actor == boss.user
        assert all(result.endswith("requests") for result in work(integration))

    def test_a_wrong_key_is_told_at_its_field_and_the_old_one_stays(self, boss, integration, api):
        work(integration)

        response = boss.post(change_url(integration), {"new_admin_api_key": NEW_KEY})

        page = response.content.decode()
        assert response.status_code == 200
        assert response.context["adminform"].form.errors.keys() == {"new_admin_api_key"}
        assert "Cursor refused this key" in page
        assert NEW_KEY not in page
        integration.refresh_from_db()
        assert integration.credentials.open()["admin_api_key"] == api.api_key

    def test_a_key_that_cannot_be_one_is_told_without_asking_cursor(self, boss, integration, api):
        asked = len(api.requests)

        response = boss.post(change_url(integration), {"new_admin_api_key": "two words"})

        assert response.context["adminform"].form.errors.keys() == {"new_admin_api_key"}
        assert len(api.requests) == asked

    def test_the_key_of_another_team_needs_a_word(self, boss, integration, api):
        work(integration)
        api.add_key(NEW_KEY, team="others")

        refused = boss.post(change_url(integration), {"new_admin_api_key": NEW_KEY})
        confirmed = boss.post(change_url(integration), {"new_admin_api_key": NEW_KEY, "same_team": "on"})

        assert refused.context["adminform"].form.errors.keys() == {"same_team"}
        assert confirmed.status_code == 302

    def test_saving_without_a_key_changes_nothing(self, boss, integration):
        before = Integration.objects.values().get()

        boss.post(change_url(integration), {"new_admin_api_key": "", "same_team": "on"})

        after = Integration.objects.values().get()
        assert str(before) == str(after)
        assert after["credentials"].token == integration.credentials.token

    def test_connections_are_neither_added_nor_deleted_here(self, boss, integration):
        assert boss.get(reverse("admin:integrations_integration_add")).status_code == 403
        url = reverse("admin:integrations_integration_delete", args=[integration.pk])
        assert boss.post(url, {"post": "yes"}).status_code == 403


class TestSeatPrices:
    prefix = "seat_prices"

    def post(self, client, center, *rows, initial=0):
        data = {
            "name": center.name,
            f"{self.prefix}-TOTAL_FORMS": len(rows),
            f"{self.prefix}-INITIAL_FORMS": initial,
        }
        for n, row in enumerate(rows):
            data |= {f"{self.prefix}-{n}-{name}": value for name, value in row.items()}
            data[f"{self.prefix}-{n}-cost_center"] = center.pk
        return client.post(reverse("admin:costcenters_costcenter_change", args=[center.pk]), data)

    @pytest.fixture
    def center(self, integration) -> CostCenter:
        SeatPrice.objects.all().delete()
        return integration.cost_center

    def test_a_price_is_added_with_its_own_first_day(self, boss, center):
        day = datetime.now(UTC).date() + timedelta(days=3)

        response = self.post(
            boss, center, {"monthly_price": "40.50", "committed_seats": "5", "effective_from": day}
        )

        assert response.status_code == 302
        price = SeatPrice.objects.get()
        assert (price.monthly_price, price.committed_seats, price.effective_from) == (Decimal("40.5"), 5, day)
        assert price.created_by == boss.user

    def test_a_price_for_today_changes_the_seats_of_today_at_once(self, boss, integration):
        work(integration)
        center, today = integration.cost_center, datetime.now(UTC).date()
        seats = CostLineItem.objects.filter(charge_type="seat", day=today)
        before = sum(line.billed_cost for line in seats)
        price = SeatPrice.objects.get()

        self.post(
            boss,
            center,
            {"id": price.pk},
            {"monthly_price": "80", "effective_from": datetime.now(UTC).date()},
            initial=1,
        )

        assert before > 0
        # Each share of a day is rounded to the nano-dollar by itself.
        assert abs(sum(line.billed_cost for line in seats.all()) - 2 * before) <= len(seats) * Decimal("1e-9")

    def test_the_past_is_not_changed(self, boss, center):
        response = self.post(boss, center, {"monthly_price": "40", "effective_from": "2026-01-01"})

        assert "what was counted before stays as it is" in response.content.decode()
        assert not SeatPrice.objects.exists()

    def test_a_disconnected_cost_center_takes_no_price(self, boss, center):
        connections.disconnect(center.integration, now=datetime.now(UTC))

        response = self.post(
            boss, center, {"monthly_price": "40", "effective_from": datetime.now(UTC).date()}
        )

        assert "it has no seats" in response.content.decode()
        assert not SeatPrice.objects.exists()

    def test_a_price_is_never_edited(self, boss, center):
        price = SeatPrice.objects.create(
            cost_center=center, monthly_price=Decimal(40), effective_from=datetime.now(UTC).date()
        )

        self.post(
            boss, center, {"id": price.pk, "monthly_price": "1", "effective_from": "2026-01-01"}, initial=1
        )

        assert SeatPrice.objects.get().monthly_price == 40

    @pytest.mark.parametrize(("days_ahead", "left"), [(0, 1), (1, 0)])
    def test_only_a_price_not_yet_in_effect_is_deleted(self, boss, center, days_ahead, left):
        day = datetime.now(UTC).date() + timedelta(days=days_ahead)
        price = SeatPrice.objects.create(cost_center=center, monthly_price=Decimal(40), effective_from=day)

        self.post(boss, center, {"id": price.pk, "DELETE": "on"}, initial=1)

        assert SeatPrice.objects.count() == left


class TestActions:
    """Daily support work on several connections at once; each answers for itself."""

    @pytest.fixture(params=["costcenters_costcenter", "integrations_integration"])
    def run(self, request, boss, integration):
        pk = integration.cost_center.pk if "costcenter" in request.param[12:] else integration.pk
        others = [CostCenterFactory(name="By hand").pk] if "costcenter" in request.param[12:] else []

        def run(action: str) -> list[str]:
            response = boss.post(
                reverse(f"admin:{request.param}_changelist"),
                {"action": action, "_selected_action": [pk, *others]},
                follow=True,
            )
            assert response.status_code == 200
            return [str(message) for message in response.context["messages"]]

        return run

    def test_everything_is_read_at_once(self, run, integration):
        work(integration)
        integration.streams.update(due_at=datetime.now(UTC) + timedelta(hours=1))

        assert run("sync_now") == ["Cursor: everything is read now."]

        assert not integration.streams.filter(due_at__gt=datetime.now(UTC)).exists()

    def test_a_test_tells_how_many_members_answered(self, run, integration, api):
        (works,) = run("test_connection")
        assert (
            works
            == f"Cursor: the key works, {len(api.company.team_on(datetime.now(UTC).date()))} members are in the team."
        )

        api.revoke()
        (refused,) = run("test_connection")
        assert "refused" in refused
        assert CostCenter.objects.get(name="Cursor").status == CostCenter.Status.NEEDS_ATTENTION

    def test_paused_and_resumed_once_each(self, run):
        assert run("pause") == ["Cursor: paused."]
        assert run("pause") == ["Cursor: It is paused: resume it first."]
        assert run("sync_now") == ["Cursor: It is paused: resume it first."]
        assert run("resume") == ["Cursor: resumed."]
        assert run("resume") == ["Cursor: It is not paused."]

    def test_what_has_no_connection_says_so(self, boss):
        center = CostCenterFactory(name="By hand")

        response = boss.post(
            reverse("admin:costcenters_costcenter_changelist"),
            {"action": "pause", "_selected_action": [center.pk]},
            follow=True,
        )

        assert "there is no connection" in str(next(iter(response.context["messages"])))


class TestCostCenters:
    def test_saved_views_follow_a_new_name(self, boss, integration):
        view = SavedViewFactory(query="cost_center=Cursor&group_by=user")
        center = integration.cost_center
        data = {"name": "R & D", "seat_prices-TOTAL_FORMS": 0, "seat_prices-INITIAL_FORMS": 0}

        boss.post(reverse("admin:costcenters_costcenter_change", args=[center.pk]), data)

        view.refresh_from_db()
        assert view.query == "cost_center=R+%26+D&group_by=user"

    def test_the_way_to_remove_one_is_told_where_it_cannot_be_done(self, boss, integration):
        center = integration.cost_center
        page = boss.get(reverse("admin:costcenters_costcenter_change", args=[center.pk])).content.decode()

        assert "not deleted here" in page
        assert reverse("cost-center-remove", args=[center.pk]) in page
        url = reverse("admin:costcenters_costcenter_delete", args=[center.pk])
        assert boss.post(url, {"post": "yes"}).status_code == 403

    def test_a_connection_leads_to_what_was_read(self, boss, integration):
        page = boss.get(change_url(integration)).content.decode()

        for model in ("stream", "syncrun", "member"):
            link = reverse(
                f"admin:integrations_{model}_changelist", query={"integration__id__exact": integration.pk}
            )
            assert link in page
            assert boss.get(link).status_code == 200


class TestLineItems:
    @pytest.fixture
    def center(self) -> CostCenter:
        center = CostCenterFactory(pk=424_242)
        start = datetime(2026, 11, 1, tzinfo=UTC)
        items = [
            LineItem(
                started_at=start + timedelta(hours=n),
                charge_type="usage",
                user=f"u{n}@example.com",
                model="claude-4.5-sonnet",
            )
            for n in range(120)
        ]
        replace_window(Window(center.pk, start, start + timedelta(days=10), ("usage",)), items)
        CostCenterFactory(name="Other")
        return center

    @pytest.mark.parametrize(
        "query",
        [
            *({}, {"p": "2"}, {"q": "u7@"}, {"charge_type__exact": "usage"}, {"cost_center__id__exact": "1"}),
            *({"period": "2026-11"}, {"period": "2026-11-03", "cost_center__id__exact": "1"}),
        ],
    )
    def test_the_list_never_counts_the_table(self, boss, center, query):
        if "cost_center__id__exact" in query:
            query = {"cost_center__id__exact": str(center.pk)}
        with CaptureQueriesContext(connection) as queries:
            response = boss.get(reverse("admin:costcenters_costlineitem_changelist"), query)

        assert response.status_code == 200
        about_items = [one["sql"] for one in queries if CostLineItem._meta.db_table in one["sql"]]
        assert about_items
        assert not [sql for sql in about_items if "COUNT(" in sql.upper()]

    def test_it_is_searched_by_user_model_and_resource(self, boss, center):
        page = boss.get(reverse("admin:costcenters_costlineitem_changelist"), {"q": "u77@"}).content.decode()

        assert "u77@example.com" in page
        assert "u78@example.com" not in page

    @pytest.mark.parametrize("narrowed", [{}, {"cost_center__id__exact": ""}])
    def test_a_search_looks_at_no_more_than_it_can_in_a_moment(self, boss, center, monkeypatch, narrowed):
        monkeypatch.setattr(NewestLineItems, "LOOKED_AT", 10)
        url = reverse("admin:costcenters_costlineitem_changelist")
        query = dict.fromkeys(narrowed, str(center.pk))

        assert "u115@example.com" in boss.get(url, {"q": "u115@", **query}).content.decode()
        assert "u77@example.com" not in boss.get(url, {"q": "u77@", **query}).content.decode()

    def test_a_month_or_a_day_is_chosen_by_a_range_of_the_index(self, boss, center):
        url = reverse("admin:costcenters_costlineitem_changelist")

        with CaptureQueriesContext(connection) as queries:
            day = boss.get(url, {"period": "2026-11-02"})

        assert [item.user for item in day.context["cl"].result_list] == [
            f"u{n}@example.com" for n in range(47, 23, -1)
        ]
        about_items = [one["sql"] for one in queries if CostLineItem._meta.db_table in one["sql"]]
        assert all("started_at" in sql and "cost_center_id" in sql for sql in about_items)
        assert "3 Nov" in boss.get(url, {"period": "2026-11"}).content.decode()
        assert boss.get(url, {"period": "2026-10"}).context["cl"].result_count == 0

    @pytest.mark.parametrize("period", ["", "2026", "2026-13", "2026-11-31", "9999-12-31", "x" * 500])
    def test_a_period_that_is_none_chooses_nothing(self, boss, center, period):
        url = reverse("admin:costcenters_costlineitem_changelist")

        assert boss.get(url, {"period": period}).status_code in (200, 302)

    def test_line_items_are_only_looked_at(self, boss, center):
        item = CostLineItem.objects.first()
        url = reverse("admin:costcenters_costlineitem_change", args=[item.pk])

        assert boss.get(url).status_code == 200
        assert boss.post(url, {"user": "somebody else"}).status_code == 403
        assert boss.get(reverse("admin:costcenters_costlineitem_add")).status_code == 403


def test_connections_prices_and_people_are_in_the_audit_log_without_secrets(boss, integration, api):
    SeatPrice.objects.create(
        cost_center=integration.cost_center, monthly_price=Decimal(50), effective_from=date(2027, 1, 1)
    )
    boss.user.set_password("another pass phrase")
    boss.user.email = "ada@example.com"
    boss.user.save()

    entries = list(AuditEntry.objects.all())

    assert {entry.content_type.model for entry in entries} >= {
        "costcenter",
        "integration",
        "seatprice",
        "user",
    }
    recorded = {name for entry in entries for name in entry.changes}
    assert recorded.isdisjoint({"credentials", "key_fingerprint", "last_login"})
    passwords = [entry.changes["password"] for entry in entries if "password" in entry.changes]
    assert passwords
    assert {value for change in passwords for value in change} == {MASK}
    assert {"key_hint", "monthly_price", "email", "groups"} <= recorded
    assert api.api_key not in str([(entry.changes, entry.object_repr) for entry in entries])
