# Cumulative-link mixed models of ratings (package ordinal, Christensen):
#   Rscript --vanilla clmm.R data.csv results.csv
# data.csv: fit, rating, system, participant, item, advice, taste. One model is fitted to the rows of each `fit`; the first
# system of a fit is its reference. results.csv is long: fit, what, a, b, value, text. A fit that fails has a row `error`.
suppressPackageStartupMessages(library(ordinal))

args <- commandArgs(trailingOnly = TRUE)
data <- read.csv(args[1], colClasses = "character", encoding = "UTF-8")
rows <- list()
keep <- function(fit, what, a = "", b = "", value = NA_real_, text = "") {
  rows[[length(rows) + 1]] <<- data.frame(fit, what, a, b, value, text, stringsAsFactors = FALSE)
}

# Effects that can be told apart from the others in these data: each needs groups with several ratings.
random_effects <- function(d) {
  terms <- c()
  for (name in c("participant", "item", "advice", "taste")) {
    groups <- nlevels(d[[name]])
    plain <- switch(name, advice = nlevels(d$item), taste = nlevels(d$participant), 0)
    if (groups > 2 && groups < nrow(d) && groups > plain) terms <- c(terms, name)
  }
  terms
}

fit_one <- function(name) {
  d <- data[data$fit == name, ]
  systems <- unique(d$system)
  d$system <- factor(d$system, levels = systems)
  d$rating <- factor(as.integer(d$rating), ordered = TRUE)
  for (group in c("participant", "item", "advice", "taste")) d[[group]] <- factor(d[[group]])
  terms <- random_effects(d)
  if (length(terms) == 0) stop("no participant or item has several ratings")
  random <- paste0("(1 | ", terms, ")", collapse = " + ")
  full <- clmm(as.formula(paste("rating ~ system +", random)), data = d)
  names_of <- paste0("system", systems[-1])
  covariance <- vcov(full)[names_of, names_of, drop = FALSE]
  if (any(!is.finite(covariance))) stop("the model did not converge to finite standard errors")
  for (i in seq_along(names_of)) {
    keep(name, "estimate", systems[i + 1], value = full$beta[[names_of[i]]])
    for (j in seq_along(names_of)) {
      keep(name, "covariance", systems[i + 1], systems[j + 1], covariance[i, j])
    }
  }
  for (group in names(VarCorr(full))) keep(name, "sd", group, value = sqrt(VarCorr(full)[[group]][1, 1]))
  for (threshold in names(full$alpha)) keep(name, "threshold", threshold, value = full$alpha[[threshold]])
}

for (name in unique(data$fit)) {
  tryCatch(suppressWarnings(fit_one(name)),
    error = function(e) keep(name, "error", text = gsub("[[:space:]]+", " ", conditionMessage(e))))
}
keep("", "version", text = as.character(packageVersion("ordinal")))
write.csv(do.call(rbind, rows), args[2], row.names = FALSE)
