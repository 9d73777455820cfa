"""The shapes of answers as the API's document shows them.

Routes write their JSON by hand, for an answer must cost little; these models describe it, and every answer that a test
gets is held against the model its route declares (`tests/unit/wallet_api/contract.py`).
"""
