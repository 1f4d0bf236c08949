"""First and last names to draw from; together they name nobody in particular."""

FIRST_NAMES = (
    *("Ada", "Amir", "Ana", "Arun", "Bela", "Carla", "Dario", "Deepa", "Elif", "Enzo", "Farah", "Gita", "Hugo", "Ines"),
    *("Ishan", "Jonas", "Kavya", "Lars", "Leila", "Luca", "Maya", "Mei", "Nadia", "Nikhil", "Nora", "Omar", "Oskar"),
    *("Petra", "Priya", "Rafael", "Rosa", "Samir", "Sara", "Sofia", "Tariq", "Tomas", "Uma", "Vera", "Yusuf", "Zoe"),
)
LAST_NAMES = (
    *(
        "Abadi",
        "Almeida",
        "Banerjee",
        "Bauer",
        "Castillo",
        "Chandra",
        "Dubois",
        "Eriksen",
        "Farouk",
        "Ferrari",
        "Gupta",
    ),
    *(
        "Hansen",
        "Ito",
        "Jansen",
        "Kapoor",
        "Keller",
        "Kowalski",
        "Larsen",
        "Mehta",
        "Moreau",
        "Mwangi",
        "Nair",
        "Okoye",
    ),
    *("Olsen", "Park", "Pereira", "Popov", "Reddy", "Rossi", "Santos", "Schmidt", "Sharma", "Silva", "Tanaka", "Weber"),
)
