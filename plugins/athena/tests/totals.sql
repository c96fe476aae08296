SELECT sum(amount) AS total FROM orders WHERE day >= :since
