"""API tokens are known by an id of their own: their digest, which was their primary key, is shown nowhere any more."""

from __future__ import annotations

import uuid

from django.db import migrations, models


def give_ids(apps, schema_editor):
    """Also to what the audit log holds of them, which named them by their digest."""
    alias = schema_editor.connection.alias
    ids = {}
    for token in apps.get_model("finops", "ApiToken").objects.using(alias).filter(id=None):
        token.id = ids[token.digest] = uuid.uuid4()
        token.save(update_fields=["id"])
    for entry in entries(apps, alias):
        # What is gone is known by nothing else.
        entry.object_pk = str(ids.get(entry.object_pk) or uuid.uuid4())
        entry.save(update_fields=["object_pk"])


def take_ids(apps, schema_editor):
    alias = schema_editor.connection.alias
    digests = dict(apps.get_model("finops", "ApiToken").objects.using(alias).values_list("id", "digest"))
    known = {str(key): digest for key, digest in digests.items()}
    for entry in entries(apps, alias):
        entry.object_pk = known.get(entry.object_pk, entry.object_pk)
        entry.save(update_fields=["object_pk"])


class AlterOnSqlite(migrations.AlterField):
    """Of PostgreSQL only the state is changed: Django would have it hold two primary keys for a moment."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)


def on_postgresql(statement):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return run


TO_THE_ID = """
    ALTER TABLE finops_apitoken
        DROP CONSTRAINT finops_apitoken_pkey,
        ALTER COLUMN id SET NOT NULL,
        ADD CONSTRAINT finops_apitoken_pkey PRIMARY KEY (id),
        ADD CONSTRAINT finops_apitoken_digest_key UNIQUE (digest)
"""
BACK_TO_THE_DIGEST = """
    ALTER TABLE finops_apitoken
        DROP CONSTRAINT finops_apitoken_digest_key,
        DROP CONSTRAINT finops_apitoken_pkey,
        ALTER COLUMN id DROP NOT NULL,
        ADD CONSTRAINT finops_apitoken_pkey PRIMARY KEY (digest)
"""


def entries(apps, alias):
    return (
        apps.get_model("auditlog", "LogEntry")
        .objects.using(alias)
        .filter(content_type__app_label="finops", content_type__model="apitoken")
        .only("object_pk")
    )


class Migration(migrations.Migration):
    dependencies = [
        ("finops", "0005_admins_of_later_models"),
        ("auditlog", "0017_add_actor_email"),
    ]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="id",
            field=models.UUIDField(null=True, editable=False),
        ),
        migrations.RunPython(give_ids, take_ids),
        migrations.RunPython(on_postgresql(TO_THE_ID), on_postgresql(BACK_TO_THE_DIGEST)),
        AlterOnSqlite(
            model_name="apitoken",
            name="id",
            field=models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
        ),
        AlterOnSqlite(
            model_name="apitoken",
            name="digest",
            field=models.CharField(max_length=128, unique=True, editable=False),
        ),
    ]
