# Sourced. sources "FOLDER ..." FOLDS [KEYS]: the sources of a corpus split, as a recipe lists them.
sources() {
    local folder list=""
    for folder in $1; do list+="${list:+, }{records: '$folder', folds: $2${LIMIT_RECORDS:+, limit: $LIMIT_RECORDS}${3:+, $3}}"; done
    echo "$list"
}
