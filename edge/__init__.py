"""What every HTTP edge shares, without a word of the domain: policy, problems, strict JSON, paging, limits."""
