"""Money: deposits, redemptions, cover and credit lines, and the double-entry view of every balance."""
