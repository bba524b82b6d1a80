"""The columns of FOCUS Cost and Usage, versions 1.0 to 1.4, and what becomes of each.

Source: https://focus.finops.org, the specification's folder `columns`; CC-BY-4.0.
"""

from __future__ import annotations

from costcenters.models import ChargeType

#: Version 1.2, in the order of its specification. Versions 1.0 and 1.1 have a part of these.
COLUMNS_1_2 = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
)
#: 1.3 adds these; in 1.4 ServiceProviderName and HostProviderName take the place of ProviderName and PublisherName.
ADDED_IN_1_3 = (
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "ContractApplied",
    "HostProviderName",
    "ServiceProviderName",
)
ADDED_IN_1_4 = ("CommitmentProgramEligibilityDetails", "InvoiceDetailId")
#: Own columns of our exports, for what FOCUS lacks; each wins over the FOCUS columns of the same field.
OWN_COLUMNS = (
    "x_CacheReadTokens",
    "x_CacheWriteTokens",
    "x_ChargeType",
    "x_CostCenter",
    "x_InputTokens",
    "x_IsEstimated",
    "x_Kind",
    "x_Model",
    "x_OutputTokens",
    "x_Provider",
    "x_Service",
    "x_Surface",
    "x_User",
)
FOCUS_COLUMNS = (*COLUMNS_1_2, *ADDED_IN_1_3, *ADDED_IN_1_4)
KNOWN_COLUMNS = (*FOCUS_COLUMNS, *OWN_COLUMNS)

#: Without one of these there is nothing to import. Everything else has a default.
REQUIRED_COLUMNS = ("BilledCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart")

#: Exact decimal numbers, beside the three costs that a line item has fields for.
COSTS = ("BilledCost", "EffectiveCost", "ListCost")
NUMBERS = (
    "CommitmentDiscountQuantity",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "ListUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
)
INSTANTS = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")

#: FOCUS' words for a charge and ours. Seats have none there: `x_ChargeType` tells them.
CHARGE_TYPES = {
    "Usage": ChargeType.USAGE.value,
    "Purchase": ChargeType.PURCHASE.value,
    "Tax": ChargeType.TAX.value,
    "Credit": ChargeType.CREDIT.value,
    "Adjustment": ChargeType.ADJUSTMENT.value,
}
#: The allowed values, as FOCUS spells them.
ENUMERATIONS = {
    "CapacityReservationStatus": ("Used", "Unused"),
    "ChargeCategory": tuple(CHARGE_TYPES),
    "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "CommitmentDiscountCategory": ("Spend", "Usage"),
    "CommitmentDiscountStatus": ("Used", "Unused"),
    "PricingCategory": ("Standard", "Dynamic", "Committed", "Other"),
    "ServiceCategory": (
        "AI and Machine Learning",
        "Analytics",
        "Business Applications",
        "Compute",
        "Databases",
        "Developer Tools",
        "Multicloud",
        "Identity",
        "Integration",
        "Internet of Things",
        "Management and Governance",
        "Media",
        "Migration",
        "Mobile",
        "Networking",
        "Security",
        "Storage",
        "Web",
        "Other",
    ),
}

#: Fields of a line item and the columns that fill them: the first that is not empty.
FIELDS = {
    "service": ("x_Service", "ServiceName"),
    "model": ("x_Model", "SkuMeter", "SkuId"),
    "kind": ("x_Kind", "PricingCategory"),
    "surface": ("x_Surface",),
    "user": ("x_User",),
    "account": ("SubAccountName", "SubAccountId"),
    "region": ("RegionId", "RegionName"),
    "resource": ("ResourceId",),
    "quantity": ("ConsumedQuantity",),
    "unit": ("ConsumedUnit",),
}
#: Kept in a line's details only where its field holds something else: another column's text, or this one cut.
OF_A_FIELD = (
    *("ConsumedQuantity", "ConsumedUnit", "PricingCategory", "RegionId"),
    *("ResourceId", "ServiceName", "SkuMeter", "SubAccountName"),
)
#: In fields of the line item or of its statement, never in details. ChargePeriodEnd is kept when it is not a day
#: after the start.
WITHOUT_DETAILS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargePeriodStart", "EffectiveCost", "ListCost", "Tags"),
)
#: What a line's `details` may hold, sorted.
DETAIL_COLUMNS = tuple(sorted(set(FOCUS_COLUMNS).difference(WITHOUT_DETAILS)))

#: A column by which files of FOCUS' other datasets (1.3 and later) are told from Cost and Usage, and what people
#: call them.
OTHER_DATASETS = {
    "ContractCommitmentId": "contract commitments",
    "InvoiceDetailGrain": "invoice details",
    "BillingPeriodStatus": "billing periods",
}
