"""The migration that gives tokens their ids: forwards and back, with tokens and entries of the audit log there."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from finops.models import ApiToken

BEFORE, AFTER = ("finops", "0005_admins_of_later_models"), ("finops", "0006_tokens_known_by_an_id")


def migrate(target):
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    return executor.loader.project_state([target]).apps.get_model("finops", "ApiToken")


@pytest.mark.django_db(transaction=True)
def test_tokens_and_what_is_recorded_of_them_are_known_by_ids_and_by_digests_again():
    user = User.objects.create(username="ann")
    kind = ContentType.objects.get_for_model(ApiToken)
    digests = ["a" * 128, "b" * 128]
    try:
        old = migrate(BEFORE)
        for digest in digests:
            old.objects.create(digest=digest, token_key=digest[:15], user_id=user.pk, name=digest[0])
        LogEntry.objects.all().delete()
        for digest in (*digests, "c" * 128):
            LogEntry.objects.create(content_type=kind, object_pk=digest, object_repr=digest[0], action=0)

        migrate(AFTER)
        ids = {token.name: str(token.pk) for token in ApiToken.objects.all()}
        recorded = dict(LogEntry.objects.values_list("object_repr", "object_pk"))
        assert len(set(ids.values())) == 2
        assert recorded.items() >= ids.items()
        assert recorded["c"] not in (*ids.values(), "c" * 128)
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiToken(digest=digests[0], token_key="a", user=user).save(force_insert=True)

        old = migrate(BEFORE)
        assert sorted(old.objects.values_list("pk", flat=True)) == digests
        recorded = dict(LogEntry.objects.values_list("object_repr", "object_pk"))
        assert [recorded["a"], recorded["b"]] == digests
    finally:
        migrate(AFTER)
    assert ApiToken.objects.count() == 2
