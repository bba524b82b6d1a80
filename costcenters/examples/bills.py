"""What the example bills are made of: accounts, SKUs, commitments, taxes and credits of an invented company."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b

CENT = 10_000_000
#: One unit of the bill's currency in nano-units.
UNIT = 100 * CENT


def code(prefix: str, text: str) -> str:
    """An id such as providers give: the same for the same text, never digits alone."""
    return prefix + blake2b(text.encode(), digest_size=6).hexdigest().upper()


@dataclass(frozen=True)
class Account:
    """An AWS account, a GCP project or an Azure subscription: how much of everything runs in it, in per cent."""

    name: str
    identity: str
    environment: str
    team: str
    percent: int

    @property
    def tags(self) -> str:
        """As JSON, as exports spell them."""
        return json.dumps({"env": self.environment, "team": self.team})


@dataclass(frozen=True)
class Region:
    """Where something runs; without id and name: everywhere."""

    identity: str = ""
    name: str = ""


@dataclass(frozen=True)
class Service:
    """A service with its place in FOCUS's catalogue of services, and what its resources are called."""

    name: str
    category: str
    subcategory: str
    resource_type: str = ""


@dataclass(frozen=True)
class Sku:
    """One thing that is metered: nano-units of currency a unit, typical quantity a day, how busy its weekends are."""

    service: Service
    meter: str
    unit: str
    nanos_per_unit: int
    quantity: int
    regions: tuple[Region, ...]
    weekend_percent: int = 100
    #: Covered by the commitment: billed at nothing; its amortised share of the commitment is effective cost.
    committed_percent: int = 0
    is_tagged: bool = True

    @property
    def identity(self) -> str:
        return code("SKU-", f"{self.service.name} {self.meter}")

    @property
    def description(self) -> str:
        return f"{self.service.name} {self.meter}, {self.unit.lower()}"


@dataclass(frozen=True)
class Commitment:
    """Paid every month on its first day, spread over the days by what it covers; so much a day, in nano-units."""

    identity: str
    name: str
    kind: str
    service: Service
    nanos_per_day: int


@dataclass(frozen=True)
class Fee:
    """A flat price of a day, in nano-units, whatever is used."""

    service: Service
    meter: str
    description: str
    nanos_per_day: int


@dataclass(frozen=True)
class Bill:
    """One provider's bill. Purchases, tax and credits come once a month, as on real bills.

    `name` is the cost center's, `issuer` how the provider spells itself in its exports.
    """

    name: str
    provider: str
    issuer: str
    currency: str
    payer: str
    payer_name: str
    payer_type: str
    account_type: str
    accounts: tuple[Account, ...]
    skus: tuple[Sku, ...]
    tax_permille: int
    commitment: Commitment | None = None
    fee: Fee | None = None
    credit: str = ""
    credit_nanos: int = 0


US, EU = Region("us-east-1", "US East (N. Virginia)"), Region("eu-central-1", "Europe (Frankfurt)")
ASIA = Region("ap-southeast-1", "Asia Pacific (Singapore)")
G_US, G_EU = Region("us-central1", "Iowa"), Region("europe-west1", "Belgium")
A_EU = Region("westeurope", "West Europe")
GLOBAL = Region()

EC2 = Service("Amazon EC2", "Compute", "Virtual Machines", "Instance")
EBS = Service("Amazon EBS", "Storage", "Block Storage", "Volume")
RDS = Service("Amazon RDS", "Databases", "Relational Databases", "Database")
S3 = Service("Amazon S3", "Storage", "Object Storage", "Bucket")
CLOUDFRONT = Service("Amazon CloudFront", "Networking", "Content Delivery", "Distribution")
LAMBDA = Service("AWS Lambda", "Compute", "Serverless Compute", "Function")
BEDROCK = Service("Amazon Bedrock", "AI and Machine Learning", "Generative AI", "Model")
CLOUDWATCH = Service("Amazon CloudWatch", "Management and Governance", "Observability")
VPC = Service("Amazon VPC", "Networking", "Network Connectivity")
SUPPORT = Service("AWS Support", "Management and Governance", "Support")

AWS = Bill(
    name="AWS (example)",
    provider="aws",
    issuer="AWS",
    currency="USD",
    payer="4821-0937-5516",
    payer_name="Acme, Inc.",
    payer_type="Payer Account",
    account_type="Linked Account",
    accounts=(
        Account("acme-production", "6107-3354-2290", "production", "platform", 22),
        Account("acme-staging", "7714-0086-1935", "staging", "platform", 5),
        Account("acme-data", "9032-5571-4468", "production", "data", 13),
    ),
    skus=(
        Sku(EC2, "BoxUsage:m7g.2xlarge", "Hours", 326_400_000, 288, (US, EU), 80, committed_percent=60),
        Sku(EC2, "BoxUsage:c7g.4xlarge", "Hours", 580_000_000, 96, (US,), 70),
        Sku(EBS, "VolumeUsage.gp3", "GB-Months", 80_000_000, 310, (US, EU)),
        Sku(RDS, "InstanceUsage:db.r6g.xlarge", "Hours", 450_000_000, 72, (US, EU)),
        Sku(RDS, "GP3-Storage", "GB-Months", 115_000_000, 60, (US, EU)),
        Sku(S3, "TimedStorage-ByteHrs", "GB-Months", 23_000_000, 1_900, (US, EU)),
        Sku(S3, "Requests-Tier1", "1000 Requests", 5_000_000, 2_400, (US, EU), 55),
        Sku(CLOUDFRONT, "DataTransfer-Out-Bytes", "GB", 85_000_000, 420, (GLOBAL,), 75),
        Sku(LAMBDA, "Lambda-GB-Second", "GB-Seconds", 16_667, 900_000, (US, EU), 60),
        Sku(BEDROCK, "claude-sonnet-input-tokens", "1000 Tokens", 3_000_000, 6_500, (US,), 35),
        Sku(BEDROCK, "claude-sonnet-output-tokens", "1000 Tokens", 15_000_000, 1_100, (US,), 35),
        Sku(CLOUDWATCH, "DataProcessing-Bytes", "GB", 500_000_000, 24, (US, EU), 70, is_tagged=False),
        Sku(VPC, "NatGateway-Bytes", "GB", 45_000_000, 380, (US, EU, ASIA), 75, is_tagged=False),
    ),
    tax_permille=80,
    commitment=Commitment(
        identity="arn:aws:savingsplans::4821-0937-5516:savingsplan/7c1e52d0-94b3-4f0a-8e6d-21c5b7f3a9d4",
        name="Compute Savings Plan, no upfront",
        kind="Savings Plan",
        service=EC2,
        nanos_per_day=23 * UNIT,
    ),
    fee=Fee(SUPPORT, "Business", "AWS Support (Business)", 330 * CENT),
    credit="AWS Activate credit",
    credit_nanos=150 * UNIT,
)

COMPUTE = Service("Compute Engine", "Compute", "Virtual Machines", "Instance")
KUBERNETES = Service("Kubernetes Engine", "Compute", "Containers", "Cluster")
BIGQUERY = Service("BigQuery", "Databases", "Data Warehouses", "Dataset")
CLOUD_STORAGE = Service("Cloud Storage", "Storage", "Object Storage", "Bucket")
CLOUD_SQL = Service("Cloud SQL", "Databases", "Relational Databases", "Database")
VERTEX = Service("Vertex AI", "AI and Machine Learning", "Generative AI", "Model")
NETWORKING = Service("Networking", "Networking", "Network Connectivity")
LOGGING = Service("Cloud Logging", "Management and Governance", "Observability")

GCP = Bill(
    name="GCP (example)",
    provider="gcp",
    issuer="Google Cloud",
    currency="USD",
    payer="01A2B3-C4D5E6-F70819",
    payer_name="Acme billing",
    payer_type="Billing Account",
    account_type="Project",
    accounts=(
        Account("acme-web", "acme-web-481627", "production", "web", 26),
        Account("acme-ml", "acme-ml-552831", "production", "ml", 20),
        Account("acme-sandbox", "acme-sandbox-160942", "development", "ml", 4),
    ),
    skus=(
        Sku(COMPUTE, "E2 Instance Core", "Hours", 21_811_000, 1_150, (G_US, G_EU), 85, committed_percent=45),
        Sku(COMPUTE, "E2 Instance Ram", "GiB-Hours", 2_923_000, 4_600, (G_US, G_EU), 85),
        Sku(COMPUTE, "Nvidia L4 GPU", "Hours", 560_000_000, 46, (G_US,), 40),
        Sku(KUBERNETES, "Autopilot Pod mCPU Requests", "Hours", 44_500_000, 420, (G_EU,), 80),
        Sku(BIGQUERY, "Analysis", "TiB", 6_250_000_000, 7, (G_US,), 30),
        Sku(BIGQUERY, "Active Logical Storage", "GiB-Months", 20_000_000, 640, (G_US,)),
        Sku(CLOUD_STORAGE, "Standard Storage", "GiB-Months", 20_000_000, 900, (G_US, G_EU)),
        Sku(CLOUD_SQL, "Cloud SQL for PostgreSQL: vCPU", "Hours", 41_300_000, 96, (G_EU,)),
        Sku(VERTEX, "Gemini Pro Input", "1000 Tokens", 1_250_000, 9_000, (G_US,), 30),
        Sku(VERTEX, "Gemini Pro Output", "1000 Tokens", 10_000_000, 1_300, (G_US,), 30),
        Sku(NETWORKING, "Internet Egress", "GiB", 110_000_000, 95, (G_US, G_EU), 75, is_tagged=False),
        Sku(LOGGING, "Log Volume", "GiB", 500_000_000, 16, (GLOBAL,), 70, is_tagged=False),
    ),
    tax_permille=80,
    commitment=Commitment(
        identity="projects/acme-web-481627/commitments/flexible-1-year",
        name="Compute flexible commitment, 1 year",
        kind="Committed Use Discount",
        service=COMPUTE,
        nanos_per_day=6 * UNIT,
    ),
    credit="Promotional credit",
    credit_nanos=60 * UNIT,
)

AZURE_VM = Service("Virtual Machines", "Compute", "Virtual Machines", "Virtual machine")
AZURE_SQL = Service("Azure SQL Database", "Databases", "Relational Databases", "Database")
AZURE_BLOB = Service("Azure Blob Storage", "Storage", "Object Storage", "Storage account")
AZURE_OPENAI = Service("Azure OpenAI", "AI and Machine Learning", "Generative AI", "Deployment")

#: The branch in Europe pays in euro.
AZURE = Bill(
    name="Azure (example)",
    provider="azure",
    issuer="Microsoft Azure",
    currency="EUR",
    payer="8a1b2c3d-5e6f-4a70-9b81-c2d3e4f5a607",
    payer_name="Acme Europe GmbH",
    payer_type="Microsoft Customer Agreement",
    account_type="Subscription",
    accounts=(
        Account("acme-europe", "3f1c9a52-7b04-4e6d-8f25-d09b6a17c3e8", "production", "europe", 20),
        Account("acme-europe-test", "b8027d4e-16f3-4c95-a1de-5e7f30c2946b", "staging", "europe", 4),
    ),
    skus=(
        Sku(AZURE_VM, "D4s v5", "Hours", 178_000_000, 96, (A_EU,), 80),
        Sku(AZURE_SQL, "General Purpose vCore", "Hours", 241_000_000, 48, (A_EU,)),
        Sku(AZURE_BLOB, "Hot LRS Data Stored", "GB-Months", 18_000_000, 700, (A_EU,)),
        Sku(AZURE_OPENAI, "gpt-4.1 input", "1000 Tokens", 1_720_000, 2_600, (A_EU,), 30),
    ),
    tax_permille=190,
)

BILLS = (AWS, GCP, AZURE)
