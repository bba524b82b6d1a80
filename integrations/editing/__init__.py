"""The pages on which a cost center is changed, and its buttons: views, forms, and what the pages say.

What is done, and what is refused, is decided in `integrations.life` and `integrations.connections`.
"""
