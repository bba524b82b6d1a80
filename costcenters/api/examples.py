"""Answers to read in the documentation."""

from __future__ import annotations

from typing import Any

_NO_COMPARISON: dict[str, Any] = {"before": None, "change": None}
COSTS: dict[str, Any] = {
    "query": {
        "parameters": "start=2026-10-01&end=2026-11-21&granularity=month&group_by=user&top=1",
        "preset": None,
        "granularity": "month",
        "group_by": ["user"],
        "filters": [],
        "measure": "billed",
        "top": 1,
        "compare": "none",
        "currency": None,
        "only_complete": False,
        "sort": None,
    },
    "span": {"start": "2026-10-01", "end": "2026-11-21"},
    "compare_span": None,
    "granularity": "month",
    "measure": "billed",
    "unit": "USD",
    "currency": "USD",
    "currencies": ["USD"],
    "freshness": {
        "complete_through": "2026-11-21T14:00:00Z",
        "state": "current",
        "detail": "Cursor is the one that reaches least far.",
    },
    "group_by": ["user"],
    "total": {"measure": "1204.5100634", "tokens": 812_400_210, "events": 5311, **_NO_COMPARISON},
    "rows": [
        {
            "value": "nia@example.com",
            "label": "nia@example.com",
            "measure": "310.22",
            "tokens": 220_140_900,
            "events": 1402,
            **_NO_COMPARISON,
            "by_period": ["180.02", "130.20"],
            "before_by_period": [],
            "children": [],
        }
    ],
    "other": {
        "measure": "894.2900634",
        "tokens": 592_259_310,
        "events": 3909,
        **_NO_COMPARISON,
        "count": 41,
        "by_period": ["500.29", "394.0000634"],
        "before_by_period": [],
    },
    "periods": [
        {
            "start": "2026-10-01",
            "label": "Oct 2026",
            "is_incomplete": False,
            "measure": "680.31",
            "tokens": 460_200_100,
            "events": 3020,
            **_NO_COMPARISON,
        },
        {
            "start": "2026-11-01",
            "label": "Nov 2026",
            "is_incomplete": True,
            "measure": "524.2000634",
            "tokens": 352_200_110,
            "events": 2291,
            **_NO_COMPARISON,
        },
    ],
    "split": [
        {"charge_type": "usage", "measure": "884.5100634"},
        {"charge_type": "seat", "measure": "320.00"},
    ],
    "estimated": "320.00",
    "risen": [],
    "fallen": [],
}
COSTS_AS_CSV = (
    "period,user,billed_cost,effective_cost,list_cost,input_tokens,output_tokens,cache_write_tokens,"
    "cache_read_tokens,line_items\r\n"
    "2026-10-01,nia@example.com,180.02,180.02,402.1177,9200110,1400320,8100200,110400270,801\r\n"
    "2026-11-01,nia@example.com,130.20,130.20,377.9022,7100440,1200110,6400900,76338550,601\r\n"
)
LINE_ITEMS: dict[str, Any] = {
    "results": [
        {
            "id": 73105,
            "cost_center": {"id": 1, "name": "Cursor"},
            "provider": "cursor",
            "currency": "USD",
            "day": "2026-11-21",
            "started_at": "2026-11-21T13:59:12.345000Z",
            "charge_type": "usage",
            "service": "Cursor",
            "model": "claude-4.5-sonnet",
            "kind": "Usage-based",
            "surface": "editor",
            "user": "nia@example.com",
            "account": "",
            "region": "",
            "resource": "c5bd5a0e-3c5f-4a0e-9a67-6b0e2f7f7a11",
            "quantity": "3.9",
            "unit": "requests",
            "is_estimated": False,
            "input_tokens": 1204,
            "output_tokens": 860,
            "cache_write_tokens": 5120,
            "cache_read_tokens": 48210,
            "billed_cost": "0.0640001",
            "effective_cost": "0.0640001",
            "list_cost": "0.0640001",
            "tags": {"team": "platform"},
            "details": {"chargedCents": "6.40001", "isTokenBasedCall": True, "maxMode": False},
        }
    ],
    "next": "https://onebill.example.com/api/v1/line-items/"
    "?start=2026-11-01&end=2026-11-21&currency=USD&after=MTc5NTI2OTU1MjM0NTAwMC43MzEwNQ&limit=1",
    "previous": None,
    "count": 2291,
}
DIMENSIONS: dict[str, Any] = {
    "results": [
        {
            "name": "charge_type",
            "label": "Charge type",
            "can_filter": True,
            "can_group": True,
            "fixed_values": ["usage", "seat", "purchase", "tax", "credit", "adjustment"],
            "values_url": "https://onebill.example.com/api/v1/dimensions/charge_type/",
        },
        {
            "name": "tag:team",
            "label": "Tag team",
            "can_filter": True,
            "can_group": True,
            "fixed_values": None,
            "values_url": "https://onebill.example.com/api/v1/dimensions/tag:team/",
        },
    ]
}
DIMENSION_VALUES: dict[str, Any] = {
    "name": "user",
    "label": "User",
    "measure": "billed",
    "unit": "USD",
    "currency": "USD",
    "count": 2,
    "results": [
        {
            "value": "nia@example.com",
            "parameter": "nia@example.com",
            "label": "nia@example.com",
            "measure": "310.22",
            "events": 1402,
        },
        {"value": "", "parameter": "(none)", "label": "No user", "measure": "12.00", "events": 30},
    ],
    "next": None,
    "previous": None,
}
