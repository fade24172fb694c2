"""Operations that are made up outside of the product, a kind each, and driven through both front ends."""
