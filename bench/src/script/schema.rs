//! The JSON schema of scenarios, for editors: what a value can be, not whether the whole makes
//! sense.

use serde_json::Value;

use crate::script::scenario::Scenario;

/// Of a scenario's file.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Scenario);
    schema.insert("title".to_owned(), "iwlbench scenario".into());
    // serde does not ask for these, so that all that is missing is told at once.
    schema.insert("required".to_owned(), serde_json::json!(["about", "cards", "step"]));
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::script::read;

    /// Whether a value fits a schema, by the keywords that are used here; any other is a mistake. The
    /// crates that know them all would have the whole workspace built twice, for their features.
    fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
        let Value::Object(schema) = schema else {
            return if *schema == json!(false) { Err(format!("{value}")) } else { Ok(()) };
        };
        let all = |schemas: &Value| -> Vec<bool> {
            let schemas = schemas.as_array().expect("a list").iter();
            schemas.map(|schema| fits(root, schema, value).is_ok()).collect()
        };
        let number = value.as_f64();
        for (keyword, rule) in schema {
            let good = match keyword.as_str() {
                "$ref" => {
                    let path = rule.as_str().expect("a path").trim_start_matches('#');
                    fits(root, root.pointer(path).expect("it is there"), value)?;
                    true
                }
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|one| is_a(value, one)),
                    one => is_a(value, one),
                },
                "const" => value == rule,
                "enum" => rule.as_array().expect("a list").contains(value),
                "anyOf" => all(rule).contains(&true),
                "oneOf" => all(rule).iter().filter(|fits| **fits).count() == 1,
                "minimum" => number.is_none_or(|number| number >= rule.as_f64().expect("a number")),
                "maximum" => number.is_none_or(|number| number <= rule.as_f64().expect("a number")),
                "pattern" => value.as_str().is_none_or(|text| rule == r"\$" && text.contains('$')),
                "minLength" => value.as_str().is_none_or(|text| length(text) >= rule.as_u64()),
                "maxLength" => value.as_str().is_none_or(|text| length(text) <= rule.as_u64()),
                "minProperties" => value.as_object().is_none_or(|table| !table.is_empty()),
                "required" => value.as_object().is_none_or(|table| {
                    let mut keys =
                        rule.as_array().expect("a list").iter().filter_map(Value::as_str);
                    keys.all(|key| table.contains_key(key))
                }),
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        fits(root, rule, item)?;
                    }
                    true
                }
                "properties" | "additionalProperties" => {
                    let known = schema.get("properties");
                    for (key, value) in value.as_object().into_iter().flatten() {
                        match (known.and_then(|known| known.get(key)), keyword == "properties") {
                            (Some(of), true) => fits(root, of, value)?,
                            (None, false) => {
                                fits(root, rule, value).map_err(|why| format!("{key}: {why}"))?;
                            }
                            _ => {}
                        }
                    }
                    true
                }
                "$schema" | "$defs" | "title" | "description" | "default" | "examples"
                | "format" => true,
                other => panic!("keyword `{other}`"),
            };
            if !good {
                return Err(format!("{keyword} {rule}: {value}"));
            }
        }
        Ok(())
    }

    fn length(text: &str) -> Option<u64> {
        u64::try_from(text.chars().count()).ok()
    }

    fn is_a(value: &Value, kind: &Value) -> bool {
        match kind.as_str().expect("a word") {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("type `{other}`"),
        }
    }

    #[test]
    fn every_scenario_of_the_set_fits() {
        let schema = schema();
        for scenario in read::built_in() {
            let value = serde_json::to_value(&scenario.table).expect("JSON");
            assert_eq!(fits(&schema, &schema, &value), Ok(()), "{}", scenario.name);
        }
    }

    #[test]
    fn what_is_none_does_not() {
        let schema = schema();
        let valid = |value: &Value| fits(&schema, &schema, value).is_ok();
        let good = json!({ "about": "x", "cards": ["7260"], "step": [{ "do": "coldplug" }] });
        assert!(valid(&good));
        for cards in [
            json!({ "faults": ["never-alive"], "more": ["6205"] }),
            json!([{ "faults": ["never-alive"] }, { "model": "6205" }]),
            json!({ "faults": [{ "fault": "never-alive", "when": { "opmode": "iwlmvm" },
                "begin": { "milestone": "alive", "image": "init", "nth": 2 },
                "end": { "event": "host-command", "name": "ADD_STA" } }] }),
        ] {
            let mut with = good.clone();
            with["card"] = cards;
            assert!(valid(&with), "{with}");
        }
        for (key, wrong) in [
            ("cards", json!("7260")),
            ("patiense", json!(3)),
            ("step", json!([{ "do": "coldplugg" }])),
            ("step", json!([{ "do": { "rmod": "iwlmvm" } }])),
            ("step", json!([{ "await": "bownd" }])),
            ("step", json!([{ "await": { "milestone": "bound", "slt": "x" } }])),
            ("step", json!([{ "await": { "milestone": "alive", "valid": "yes" } }])),
            ("step", json!([{ "do": "bind", "fails": "EFOO" }])),
            ("module", json!([{ "exit": 300 }])),
            ("trouble", json!(["boom"])),
            ("card", json!([{ "modell": "7260" }])),
            ("card", json!({ "faults": [{ "begin": "alive" }] })),
            (
                "card",
                json!({ "faults": [{ "fault": "nvm-old", "begin": { "milestone": "aliv" } }] }),
            ),
            (
                "card",
                json!({ "faults": [{ "fault": "nvm-old",
                "begin": { "milestone": "alive", "nth": 0 } }] }),
            ),
            (
                "card",
                json!({ "faults": [{ "fault": "nvm-old",
                "end": { "event": "packet", "reg": "CSR_INT" } }] }),
            ),
        ] {
            let mut bad = good.clone();
            bad[key] = wrong;
            assert!(!valid(&bad), "{bad}");
        }
        for key in ["about", "cards", "step"] {
            let mut bad = good.clone();
            bad.as_object_mut().expect("a table").remove(key);
            assert!(!valid(&bad), "without {key}");
        }
    }
}
