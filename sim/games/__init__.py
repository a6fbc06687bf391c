"""Games that come with Shoal. Each knows only `sim`, as any game does."""
