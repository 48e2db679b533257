//! Prices, nets and pays the merchants of a business day.
