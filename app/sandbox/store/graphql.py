"""Runs GraphQL documents as Shopify's server does: checked against the version's schema, then priced, then executed."""

from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute_sync,
    get_named_type,
    get_operation_ast,
    is_composite_type,
    is_list_type,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql import get_nullable_type as nullable
from graphql.execution import ExecutionResult
from graphql.execution.values import get_variable_values

MUTATION_COST = 10

# What Shopify calls the commonest mistakes in a document.
_CODES = {
    "FieldsOnCorrectTypeRule": "undefinedField",
    "KnownArgumentNamesRule": "argumentNotAccepted",
    "KnownTypeNamesRule": "undefinedType",
    "NoUndefinedVariablesRule": "variableNotDefined",
    "NoUnusedVariablesRule": "variableNotUsed",
    "ProvidedRequiredArgumentsRule": "missingRequiredArguments",
    "ScalarLeafsRule": "selectionMismatch",
    "ValuesOfCorrectTypeRule": "argumentLiteralsIncompatible",
    "VariablesInAllowedPositionRule": "variableMismatch",
}


class Invalid(Exception):
    """The document or its variables do not fit the schema; `errors` is the answer's list."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = [error.formatted for error in errors]


@dataclass(frozen=True)
class Query:
    """A document that fits its schema, ready to run, with its price in points."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: dict[str, Any]
    operation: str | None
    requested_cost: int
    actual_cost: int

    def run(self, root: dict[str, Any], context: Any) -> dict[str, Any]:
        """Execute it; the answer's `data` and `errors`."""
        result = execute_sync(
            self.schema,
            self.document,
            root_value=root,
            context_value=context,
            variable_values=self.variables,
            operation_name=self.operation,
        )
        assert isinstance(result, ExecutionResult)
        return dict(result.formatted)


def prepare(schema: GraphQLSchema, text: str, variables: dict[str, Any], operation: str | None = None) -> Query:
    """Parse, validate and price a document. Raises Invalid."""
    try:
        document = parse(text)
    except GraphQLError as error:
        raise Invalid([error]) from None
    errors: list[GraphQLError] = []
    for rule in specified_rules:
        found = validate(schema, document, [rule])
        code = _CODES.get(rule.__name__)
        errors += [GraphQLError(e.message, e.nodes, extensions={"code": code} if code else None) for e in found]
    if errors:
        raise Invalid(errors)
    chosen = get_operation_ast(document, operation)
    if chosen is None:
        raise Invalid([GraphQLError("An operation name is required")])
    values = get_variable_values(schema, chosen.variable_definitions or (), variables)
    if isinstance(values, list):
        raise Invalid([GraphQLError(e.message, e.nodes, extensions={"code": "INVALID_VARIABLE"}) for e in values])
    requested, actual = _price(schema, document)
    return Query(schema, document, variables, operation, requested, actual)


def _price(schema: GraphQLSchema, document: DocumentNode) -> tuple[int, int]:
    """Requested and actual cost: 10 for a mutation, and requested also 1 for each object in its answer."""
    info = TypeInfo(schema)
    mutations = objects = 0

    class Counter(Visitor):
        def enter_field(self, *_: Any) -> None:
            nonlocal mutations, objects
            kind, parent = info.get_type(), info.get_parent_type()
            if parent is schema.mutation_type:
                mutations += 1
            elif kind and is_composite_type(get_named_type(kind)) and not is_list_type(nullable(kind)):
                objects += 1

    visit(document, TypeInfoVisitor(info, Counter()))
    return mutations * MUTATION_COST + objects, mutations * MUTATION_COST
