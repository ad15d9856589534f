//! The forms in JSON's schema of what a scenario's own reading takes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::fault::{self, Moment, PlannedFault};
use super::pattern::{OneOrMany, Pattern, Values};
use super::step::{CardFault, Fails};
use super::text::Text;
use super::tolerated::{self, Tolerated};
use crate::facts::errno::Errno;
use crate::facts::milestone::{FieldKind, KINDS, fields_of};

fn field(kind: FieldKind) -> Value {
    let variable = json!({ "type": "string", "pattern": r"\$" });
    match kind {
        FieldKind::Number => json!({ "type": "integer" }),
        FieldKind::Errno => json!({ "anyOf": [{ "enum": errors() }, { "type": "integer" }] }),
        FieldKind::Truth => json!({ "type": "boolean" }),
        FieldKind::Word(words) => json!({ "anyOf": [{ "enum": words }, variable] }),
        FieldKind::Text => json!({ "type": "string" }),
    }
}

fn errors() -> Vec<&'static str> {
    Errno::names().collect()
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Milestone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let tables = KINDS.iter().map(|kind| {
            let fields = fields_of(kind).unwrap_or_default().iter();
            let fields = fields.map(|(name, kind)| ((*name).to_owned(), field(*kind)));
            let mut properties: Map<_, _> = fields.collect();
            properties.insert("milestone".to_owned(), json!({ "const": kind }));
            json!({
                "type": "object", "properties": properties, "required": ["milestone"],
                "additionalProperties": false,
            })
        });
        let forms: Vec<_> = std::iter::once(json!({ "enum": KINDS })).chain(tables).collect();
        json_schema!({
            "description": "A milestone by name, or by the values of its fields.",
            "anyOf": forms,
        })
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "minProperties": 1 })
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl JsonSchema for Errno {
    fn schema_name() -> Cow<'static, str> {
        "Error".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": errors() })
    }
}

impl JsonSchema for Fails {
    fn schema_name() -> Cow<'static, str> {
        "Fails".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "true, an exit status, or an error's name.",
            "anyOf": [
                { "const": true },
                { "type": "integer", "minimum": 1, "maximum": 255 },
                { "enum": errors() },
            ],
        })
    }
}

impl JsonSchema for CardFault {
    fn schema_name() -> Cow<'static, str> {
        "CardFault".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl JsonSchema for PlannedFault {
    fn schema_name() -> Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<fault::FaultTable>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let nth = json!({ "type": "integer", "minimum": 1 });
        let table = |key: &str, kind: &str, fields: Map<String, Value>| {
            let mut properties = fields;
            properties.insert(key.to_owned(), json!({ "const": kind }));
            properties.insert("nth".to_owned(), nth.clone());
            json!({
                "type": "object", "properties": properties, "required": [key],
                "additionalProperties": false,
            })
        };
        let milestones = KINDS.iter().map(|kind| {
            let fields = fields_of(kind).unwrap_or_default().iter();
            table("milestone", kind, fields.map(|(n, k)| ((*n).to_owned(), field(*k))).collect())
        });
        let events = fault::EVENTS.iter().map(|event| {
            let text = (event.field.to_owned(), json!({ "type": "string" }));
            table("event", event.kind, Map::from_iter([text]))
        });
        let text = json!({ "type": "string" });
        let forms: Vec<_> = std::iter::once(text).chain(milestones).chain(events).collect();
        json_schema!({
            "description": "The n-th of a milestone, or of an event of the card.",
            "anyOf": forms,
        })
    }
}

impl JsonSchema for Tolerated {
    fn schema_name() -> Cow<'static, str> {
        "Tolerated".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<crate::facts::trouble::Trouble>();
        let table = generator.subschema_for::<tolerated::Table>();
        json_schema!({ "anyOf": [kind, table] })
    }
}
